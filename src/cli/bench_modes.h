// `trine bench` without a model: --machine, --kernels, --layer and --compress.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <trine/bench.h>
#include <trine/engine.h>
#include <vector>

#include "cli/output.h"

namespace trine::cli {

struct BenchModes {
  bool machine = false;
  bool kernels = false;
  bool layer = false;
  bool compress = false;
  bool quick = false;
  bool iterations = false;
  std::vector<int> bits{};            ///< empty: the default of the mode
  std::vector<std::string> shapes{};  ///< likewise
  std::vector<std::string> cached_shapes{};
  std::vector<std::size_t> batches{};
  std::optional<std::size_t> hidden_size{}, intermediate_size{};
  KernelBenchOptions kernel{};
  LayerBenchOptions experts{};  ///< of --layer: how many there are and a token needs
  CompressBenchOptions compression{};

  [[nodiscard]] bool any() const noexcept { return machine || kernels || layer || compress; }
};

/// The four flags and what belongs to them.
void add_bench_modes(CLI::App& app, BenchModes& modes);

/// Throws CLI::ValidationError for options of another mode than the chosen one.
/// @param app parsed.
void check_bench_usage(const CLI::App& app, const BenchModes& modes);

/// Runs the chosen mode. @param engine its threads, isa and activations.
[[nodiscard]] Status run_bench_mode(const BenchModes& modes, const EngineOptions& engine,
                                    Output& output);

}  // namespace trine::cli
