// Micro-benchmarks of packed_matmul and prepare_input on every instruction set this machine runs.
// One thread, weights in the cache: what a change of a kernel did. `trine bench --kernels` measures
// the same beside the machine's limits and from memory.
//
//     ./dev bench
//     build/release/kernel_benchmarks --benchmark_filter=avx2/w3
#include <benchmark/benchmark.h>

#include <fmt/format.h>

#include <string>
#include <vector>

#include "eval/kernel_subject.h"
#include "eval/random_blocks.h"
#include "kernels/kernel_table.h"

namespace {

using namespace trine;

/// 256 x 4096 weights: at 3 bits with their scales 458 kB, the L2 cache of one core.
constexpr std::size_t kOutputs = 256, kInputs = 4096, kGroup = 64;

struct Case {
  const kernels::KernelTable* table;
  int bits;
  int metadata_bits;
  std::size_t tokens;
  kernels::InputForm form;
  std::string_view activations;
};

void set_rates(benchmark::State& state, std::size_t products) {
  state.counters["products"] = benchmark::Counter(
      static_cast<double>(products), benchmark::Counter::kIsIterationInvariantRate);
}

void multiply(benchmark::State& state, const Case& measured) {
  const PackedLayout layout{kOutputs, kInputs, measured.bits, kGroup, measured.metadata_bits};
  std::vector<std::uint8_t> memory(layout.total_bytes() + kLineBytes);
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  const std::span<std::uint8_t> blocks(
      memory.data() + (kLineBytes - address % kLineBytes) % kLineBytes, layout.total_bytes());
  eval::fill_random_blocks(layout, 1, 1, blocks);
  eval::Batch batch = eval::make_batch(*measured.table, layout, measured.tokens, measured.form);
  for (auto _ : state) {
    measured.table->packed_matmul({layout, blocks}, {0, layout.num_row_blocks()},
                                  batch.prepared, {batch.outputs.data(), kOutputs});
    benchmark::DoNotOptimize(batch.outputs.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, kOutputs * kInputs * measured.tokens);
}

void prepare(benchmark::State& state, const kernels::KernelTable& table,
             kernels::InputForm form) {
  const PackedLayout layout{kOutputs, kInputs, 3, kGroup, 16};
  const eval::Batch batch = eval::make_batch(table, layout, 1, form);
  std::vector<std::uint8_t> memory(table.prepared_bytes(kInputs, kGroup, form));
  for (auto _ : state) {
    table.prepare_input(batch.inputs.data(), kInputs, kGroup, form, memory.data());
    benchmark::DoNotOptimize(memory.data());
    benchmark::ClobberMemory();
  }
  set_rates(state, kInputs);
}

void declare_table(const kernels::KernelTable& table) {
  for (const std::string_view activations : {"16", "8", "bf16"}) {
    const kernels::InputForm form = kernels::input_form_named(activations).value();
    benchmark::RegisterBenchmark(
        fmt::format("prepare_input/{}/a{}", table.name, activations).c_str(),
        [&table, form](benchmark::State& state) { prepare(state, table, form); });
    for (const int bits : {2, 3, 4, 5, 6, 8}) {
      for (const int metadata_bits : {16, 8}) {
        for (const std::size_t tokens : {1, 16}) {
          const Case measured{&table, bits, metadata_bits, tokens, form, activations};
          benchmark::RegisterBenchmark(
              fmt::format("packed_matmul/{}/w{}/meta{}/a{}/batch{}", table.name, bits,
                          metadata_bits, activations, tokens)
                  .c_str(),
              [measured](benchmark::State& state) { multiply(state, measured); });
        }
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const kernels::KernelTable* table : kernels::runnable_tables()) declare_table(*table);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
