#include "cli/bench_modes.h"

#include <fmt/format.h>

#include <array>

#include "cli/bench_layer.h"
#include "cli/bench_reports.h"
#include "cli/progress_display.h"

namespace trine::cli {
namespace {

enum Mode : unsigned { kModel = 1, kMachine = 2, kKernels = 4, kCompress = 8, kLayer = 16 };

struct Rule {
  const char* option;
  unsigned modes;  ///< in which it has a meaning
};

/// Everything that is not for all modes.
constexpr std::array kRules = {
    Rule{"--prompt-tokens", kModel},
    Rule{"--decode-tokens", kModel},
    Rule{"--repeats", kModel},
    Rule{"--isa", kModel | kMachine | kKernels | kLayer},
    Rule{"--activations", kModel | kKernels | kLayer},
    Rule{"--quick", kMachine | kKernels | kLayer | kCompress},
    Rule{"--bits", kKernels | kCompress},
    Rule{"--shapes", kKernels | kCompress},
    Rule{"--group-size", kKernels | kLayer | kCompress},
    Rule{"--rank", kKernels | kLayer | kCompress},
    Rule{"--cached-shapes", kKernels},
    Rule{"--batch", kKernels | kLayer},
    Rule{"--metadata-bits", kKernels | kLayer},
    Rule{"--hidden", kLayer},
    Rule{"--intermediate", kLayer},
    Rule{"--experts", kLayer},
    Rule{"--experts-per-token", kLayer},
    Rule{"--quantizer", kCompress},
    Rule{"--compensator", kCompress},
    Rule{"--iterations", kCompress},
};

Mode mode_of(const BenchModes& modes) {
  if (modes.machine) return kMachine;
  if (modes.kernels) return kKernels;
  if (modes.layer) return kLayer;
  return modes.compress ? kCompress : kModel;
}

const char* name_of(Mode mode) {
  if (mode == kMachine) return "--machine";
  if (mode == kKernels) return "--kernels";
  if (mode == kLayer) return "--layer";
  return mode == kCompress ? "--compress" : "a model";
}

Result<std::vector<MatrixShape>> parse_shapes(const std::vector<std::string>& texts) {
  std::vector<MatrixShape> shapes;
  for (const std::string& text : texts) {
    Result<MatrixShape> shape = parse_shape(text);
    if (!shape) return tl::unexpected<Error>(shape.error());
    shapes.push_back(*shape);
  }
  return shapes;
}

Status run_machine(const BenchModes& modes, const EngineOptions& engine, Output& output) {
  const Result<MachineReport> report = [&] {
    ProgressDisplay display("measuring");
    return measure_machine({engine.threads, engine.isa, modes.quick}, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  output.result(to_json(*report), to_text(*report));
  return {};
}

/// Some seconds of work instead of the whole table, where the user asked for nothing else.
void shrink(KernelBenchOptions& options, const BenchModes& modes) {
  if (modes.bits.empty()) options.bits = {3};
  if (modes.shapes.empty()) options.shapes = {{1024, 2048}};
  if (modes.batches.empty()) options.batches = {1, 16};
}

Status run_kernels(const BenchModes& modes, const EngineOptions& engine, Output& output) {
  KernelBenchOptions options = modes.kernel;
  options.threads = engine.threads;
  options.isa = engine.isa;
  options.activations = engine.activations;
  options.quick = modes.quick;
  if (options.quick) shrink(options, modes);
  const auto shapes = parse_shapes(modes.shapes);
  if (!shapes) return tl::unexpected<Error>(shapes.error());
  if (!shapes->empty()) options.shapes = *shapes;
  const auto cached_shapes = parse_shapes(modes.cached_shapes);
  if (!cached_shapes) return tl::unexpected<Error>(cached_shapes.error());
  if (!cached_shapes->empty()) options.cached_shapes = *cached_shapes;
  if (!modes.bits.empty()) options.bits = modes.bits;
  if (!modes.batches.empty()) options.batches = modes.batches;
  const Result<KernelReport> report = [&] {
    ProgressDisplay display("measuring");
    return measure_kernels(options, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  output.result(to_json(*report), to_text(*report));
  return {};
}

Status run_layer(const BenchModes& modes, const EngineOptions& engine, Output& output) {
  LayerBenchOptions options = modes.experts;
  options.threads = engine.threads;
  options.isa = engine.isa;
  options.activations = engine.activations;
  options.quick = modes.quick;
  options.group_size = modes.kernel.group_size;
  options.metadata_bits = modes.kernel.metadata_bits.front();
  options.rank = modes.kernel.rank;
  if (!modes.batches.empty()) options.batches = modes.batches;
  if (options.quick) {
    options.hidden_size = 512;
    options.intermediate_size = 1024;
  }
  options.hidden_size = modes.hidden_size.value_or(options.hidden_size);
  options.intermediate_size = modes.intermediate_size.value_or(options.intermediate_size);
  const Result<LayerReport> report = [&] {
    ProgressDisplay display("measuring");
    return measure_layer(options, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  output.result(to_json(*report, options), to_text(*report, options));
  return {};
}

Status run_compress(const BenchModes& modes, const EngineOptions& engine, Output& output) {
  CompressBenchOptions options = modes.compression;
  options.threads = engine.threads;
  options.quick = modes.quick;
  options.group_size = modes.kernel.group_size;
  options.rank = modes.kernel.rank;
  if (options.quick) options.shape = {256, 1024};
  const auto shapes = parse_shapes(modes.shapes);
  if (!shapes) return tl::unexpected<Error>(shapes.error());
  if (!shapes->empty()) options.shape = shapes->front();
  if (!modes.bits.empty()) options.bits = modes.bits.front();
  const Result<CompressBenchReport> report = [&] {
    ProgressDisplay display("measuring");
    return measure_compression(options, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  output.result(to_json(*report, options), to_text(*report, options, modes.iterations));
  return {};
}

}  // namespace

void add_bench_modes(CLI::App& app, BenchModes& modes) {
  app.add_flag("--machine", modes.machine,
               "Measure this machine: reads, clock, peak rates, sgemm");
  app.add_flag("--kernels", modes.kernels,
               "Measure the packed matrix products on random weights beside these limits");
  app.add_flag(
      "--layer", modes.layer,
      "Measure one layer of experts: mixed bits and ranks beside the same bytes spread "
      "evenly");
  app.add_flag("--compress", modes.compress, "Time compressing one random matrix");
  app.add_flag("--quick", modes.quick,
               "Without a model: some seconds, small buffers, rough figures");
  app.add_option("--bits", modes.bits, "Kernels: widths [2,3,4,8]; compress: one width [3]")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--shapes,--shape", modes.shapes,
                 "Outputs x inputs. Kernels: shapes read from memory "
                 "[4096x14336,14336x4096]; compress: one [4096x14336]")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--cached-shapes", modes.cached_shapes,
                 "Kernels: shapes whose weights stay in the cache [256x4096]")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--batch", modes.batches,
                 "Tokens multiplied at once. Kernels: [1,16,512]; layer: [1]")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--group-size,--group", modes.kernel.group_size,
                 "Kernels, layer, compress: inputs that share a scale and a zero")
      ->capture_default_str();
  app.add_option("--metadata-bits", modes.kernel.metadata_bits,
                 "Kernels: widths of scales and zeros, 16 or 8; layer: one")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_option("--rank", modes.kernel.rank,
                 "Kernels: of the 3-bit factors of engine rows; compress: of the compensator; "
                 "layer: of the uniform one, the mixed one has 0 to twice that")
      ->capture_default_str();
  app.add_option("--hidden", modes.hidden_size, "Layer: inputs of an expert [4096]");
  app.add_option("--intermediate", modes.intermediate_size,
                 "Layer: numbers between an expert's matrices [14336]");
  app.add_option("--experts", modes.experts.num_experts, "Layer: experts there are")
      ->capture_default_str();
  app.add_option("--experts-per-token", modes.experts.experts_per_token,
                 "Layer: experts a token needs")
      ->capture_default_str();
  app.add_option("--quantizer", modes.compression.quantizer, "Compress: rtn, hqq or trine")
      ->capture_default_str();
  app.add_option("--compensator", modes.compression.compensator, "Compress: milo or milo-paper")
      ->capture_default_str();
  app.add_flag("--iterations", modes.iterations,
               "Compress: also show the error after each iteration");
}

void check_bench_usage(const CLI::App& app, const BenchModes& modes) {
  if (int{modes.machine} + int{modes.kernels} + int{modes.layer} + int{modes.compress} > 1) {
    throw CLI::ValidationError("--machine, --kernels, --layer, --compress",
                               "choose one of them");
  }
  const Mode mode = mode_of(modes);
  for (const Rule& rule : kRules) {
    if ((rule.modes & mode) == 0 && app.count(rule.option) > 0) {
      throw CLI::ValidationError(rule.option,
                                 fmt::format("has no meaning for {}", name_of(mode)));
    }
  }
  if (modes.compress && (modes.bits.size() > 1 || modes.shapes.size() > 1)) {
    throw CLI::ValidationError("--compress", "takes one width and one shape");
  }
  if (modes.layer && modes.kernel.metadata_bits.size() > 1) {
    throw CLI::ValidationError("--layer", "takes one width of scales and zeros");
  }
}

Status run_bench_mode(const BenchModes& modes, const EngineOptions& engine, Output& output) {
  if (modes.machine) return run_machine(modes, engine, output);
  if (modes.kernels) return run_kernels(modes, engine, output);
  if (modes.layer) return run_layer(modes, engine, output);
  return run_compress(modes, engine, output);
}

}  // namespace trine::cli
