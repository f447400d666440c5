// The machine, its kernels and a layer of experts, measured.
#include <trine/bench.h>

#include <charconv>

#include "api/opened_model.h"
#include "eval/kernel_rows.h"
#include "eval/layer_mix.h"
#include "eval/layer_steps.h"
#include "eval/machine_rates.h"

namespace trine {
namespace {

/// A number in [1, 1048576] and nothing else.
bool parse_side(std::string_view text, std::size_t& side) {
  constexpr std::size_t kMostSide = std::size_t{1} << 20;
  const char* end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, side);
  return failed == std::errc{} && stopped == end && side >= 1 && side <= kMostSide;
}

}  // namespace

Result<MatrixShape> parse_shape(std::string_view text) {
  MatrixShape shape;
  const std::size_t cross = text.find('x');
  if (cross == std::string_view::npos ||
      !parse_side(text.substr(0, cross), shape.out_features) ||
      !parse_side(text.substr(cross + 1), shape.in_features)) {
    return fail(ErrorCode::kInvalidArgument,
                "shape \"{}\" is none, expected outputs x inputs, for example 4096x14336, each "
                "from 1 to 1048576",
                text);
  }
  return shape;
}

Result<MachineReport> measure_machine(const MachineOptions& options,
                                      const ProgressCallback& progress) {
  TRINE_ASSIGN_OR_RETURN(const int threads, api::resolve_threads(options.threads));
  TRINE_ASSIGN_OR_RETURN(const kernels::KernelTable* table, kernels::table_named(options.isa));
  return eval::measure_machine(*table, threads, options, progress);
}

Result<KernelReport> measure_kernels(const KernelBenchOptions& options,
                                     const ProgressCallback& progress) {
  TRINE_RETURN_IF_ERROR(eval::check_options(options));
  TRINE_ASSIGN_OR_RETURN(const int threads, api::resolve_threads(options.threads));
  TRINE_ASSIGN_OR_RETURN(const kernels::KernelTable* table, kernels::table_named(options.isa));
  return eval::measure_kernels(*table, threads, options, progress);
}

Result<LayerReport> measure_layer(const LayerBenchOptions& options,
                                  const ProgressCallback& progress) {
  TRINE_RETURN_IF_ERROR(eval::check_options(options));
  TRINE_ASSIGN_OR_RETURN(const int threads, api::resolve_threads(options.threads));
  TRINE_ASSIGN_OR_RETURN(const kernels::KernelTable* table, kernels::table_named(options.isa));
  return eval::measure_layer(*table, threads, options, progress);
}

}  // namespace trine
