// Speed without a model: what the machine can do, what the kernels make of it, what a layer of
// experts does, what compressing one matrix takes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <trine/progress.h>
#include <trine/result.h>
#include <vector>

namespace trine {

/// Of one weight matrix.
struct MatrixShape {
  std::size_t out_features = 0;
  std::size_t in_features = 0;
};

/// "4096x14336": outputs, then inputs, each from 1 to 1048576. kInvalidArgument otherwise.
[[nodiscard]] Result<MatrixShape> parse_shape(std::string_view text);

/// A rate with one thread and with all of them.
struct ThreadRates {
  double one = 0.0;
  double all = 0.0;
};

/// Of one instruction on registers alone: the most any program can do with it.
struct PeakRate {
  std::string instruction{};            ///< empty: the instruction set has none
  ThreadRates operations_per_second{};  ///< a product and its addition are two
};

struct MachineOptions {
  int threads = 0;     ///< 0: all processors
  std::string isa{};   ///< as EngineOptions::isa
  bool quick = false;  ///< seconds instead of a minute; buffers may fit the cache
};

struct MachineReport {
  std::string isa{};
  int threads = 0;                         ///< what "all" stands for
  double clock_hertz = 0.0;                ///< of one core under load
  std::size_t last_level_cache_bytes = 0;  ///< 0: unknown
  std::size_t read_buffer_bytes = 0;       ///< what the bandwidth was read from
  ThreadRates read_bandwidth{};            ///< bytes per second, median of the passes
  ThreadRates best_read_bandwidth{};       ///< of one pass
  PeakRate integer_dot{};                  ///< of the widest instruction of `isa`
  PeakRate multiply_add{};                 ///< fp32
  PeakRate bf16_dot{};
  std::size_t sgemm_size = 0;  ///< of the square fp32 matrices multiplied
  ThreadRates sgemm{};         ///< OpenBLAS, operations per second, median
};

/// Measures this machine. kUnsupported for an `isa` it cannot run.
[[nodiscard]] Result<MachineReport> measure_machine(const MachineOptions& options,
                                                    const ProgressCallback& progress = {});

struct KernelBenchOptions {
  std::vector<int> bits{2, 3, 4, 8};
  std::vector<MatrixShape> shapes{{4096, 14336}, {14336, 4096}};  ///< read from memory
  std::vector<MatrixShape> cached_shapes{{256, 4096}};  ///< the same matrix again and again
  std::vector<std::size_t> batches{1, 16, 512};         ///< tokens
  std::size_t group_size = 64;
  std::vector<int> metadata_bits{16};
  std::string activations = "16";  ///< as EngineOptions::activations
  std::size_t rank = 32;  ///< of the 3-bit factors of engine rows; 0 or a multiple of 16
  int threads = 0;        ///< rows are measured with 1 and with so many; 0: all processors
  std::string isa{};
  bool quick = false;  ///< smaller buffers and fewer runs; figures are rough
};

/// One matrix product, measured. "Share" compares with what was measured around the same runs.
struct KernelRow {
  bool is_engine =
      false;  ///< prepared, multiplied and compensated as the engine does it; else the
              ///< packed product alone, on inputs prepared before
  bool is_cached = false;  ///< the weights stay in the cache
  int bits = 0;
  MatrixShape shape{};
  std::size_t batch = 0;
  int threads = 0;
  int metadata_bits = 0;
  std::size_t rank = 0;  ///< 0 in rows of the kernel alone

  std::size_t stored_bytes = 0;    ///< of one matrix with its factors
  std::size_t runs = 0;            ///< each long enough to be timed
  double seconds = 0.0;            ///< for one matrix, median of the runs
  double spread = 0.0;             ///< (third − first quartile) / median of the seconds
  double bytes_per_second = 0.0;   ///< stored_bytes / seconds
  double read_bandwidth = 0.0;     ///< plain reads before and after each run, median; 0: cached
  double read_share = 0.0;         ///< median over the runs; 0: cached
  double weights_per_clock = 0.0;  ///< weights / seconds, per clock and thread
  /// Two per weight, token and digit of the token; a bf16 is one digit where it is multiplied as it
  /// is, and two elsewhere.
  double operations_per_second = 0.0;
  double peak_per_second = 0.0;  ///< of KernelReport::peak_instruction, beside the row; 0: none
  double peak_share = 0.0;
  double relative_error = 0.0;  ///< ‖y − ŷ‖ / ‖y‖ of sampled outputs, y in fp64
};

struct KernelReport {
  std::string isa{};
  int threads = 0;
  std::string activations{};
  std::size_t group_size = 0;
  std::string peak_instruction{};  ///< the dot product of these activations; empty: none
  std::size_t buffer_bytes = 0;    ///< the random matrices a row goes through
  double clock_hertz = 0.0;        ///< median over the rows
  std::vector<KernelRow> rows{};
};

/// Measures the kernels on random matrices. kInvalidArgument names the option at fault.
[[nodiscard]] Result<KernelReport> measure_kernels(const KernelBenchOptions& options,
                                                   const ProgressCallback& progress = {});

/// One layer of experts as Mixtral's are, if not told otherwise.
struct LayerBenchOptions {
  std::size_t hidden_size = 4096;
  std::size_t intermediate_size = 14336;
  std::size_t num_experts = 8;
  std::size_t experts_per_token = 2;
  std::size_t group_size = 64;
  int metadata_bits = 16;
  std::size_t rank =
      32;  ///< of the uniform layer, 0 or a multiple of 16; mixed: 0 to twice that
  std::vector<std::size_t> batches{1};  ///< tokens of a step
  std::string activations = "16";       ///< as EngineOptions::activations
  int threads = 0;  ///< rows are measured with 1 and with so many; 0: all processors
  std::string isa{};
  bool quick = false;  ///< small buffers and few steps; figures are rough
};

/// All three matrices of one expert.
struct LayerExpert {
  int bits = 0;
  std::size_t rank = 0;
  std::size_t stored_bytes = 0;  ///< with factors
};

/// What the steps of one layer took; medians over the steps.
struct LayerFigures {
  double seconds = 0.0;
  double active_bytes = 0.0;  ///< of the router and the experts a step needed; mean
  double bytes_per_second = 0.0;
  double read_share = 0.0;  ///< in the mean of the plain reads right before and after the step
  double read_share_first_quartile = 0.0;
  double read_share_third_quartile = 0.0;
};

/// Both layers, measured in turn.
struct LayerRow {
  std::size_t batch = 0;
  int threads = 0;
  std::size_t steps = 0;        ///< of each layer
  double read_bandwidth = 0.0;  ///< of the plain reads between the steps, median
  LayerFigures mixed{};
  LayerFigures uniform{};
  /// Seconds per byte, mixed over uniform, of steps that follow each other; median and quartiles.
  double time_per_byte = 0.0;
  double time_per_byte_first_quartile = 0.0;
  double time_per_byte_third_quartile = 0.0;
};

struct LayerReport {
  std::string isa{};
  int threads = 0;
  std::vector<LayerExpert> mixed{};
  std::vector<LayerExpert> uniform{};
  std::size_t mixed_bytes = 0;  ///< of all experts; as many as uniform_bytes for an even number
  std::size_t uniform_bytes = 0;  ///< of experts
  std::size_t read_buffer_bytes = 0;
  std::vector<LayerRow> rows{};
};

/// Measures one layer of experts with random weights as an engine runs it, twice side by side: with
/// experts of different bits and ranks, and with the same bytes spread evenly. Every step takes
/// other experts, so that all weights come from memory. kInvalidArgument names the option at fault.
[[nodiscard]] Result<LayerReport> measure_layer(const LayerBenchOptions& options,
                                                const ProgressCallback& progress = {});

struct CompressBenchOptions {
  MatrixShape shape{4096, 14336};
  int bits = 3;
  std::size_t group_size = 64;
  std::size_t rank = 32;  ///< 0: no compensator
  std::string quantizer = "hqq";
  std::string compensator = "milo";
  int threads = 0;
  bool quick = false;  ///< one run instead of three
};

struct CompressBenchReport {
  int threads = 0;
  std::vector<double> run_seconds{};  ///< of compressing the matrix, one value per run
  double seconds = 0.0;               ///< their median
  double weight_error = 0.0;          ///< ‖W − Ŵ‖F / ‖W‖F
  std::vector<double> trace{};        ///< the same after each iteration of the compensator
  double low_rank_seconds = 0.0;      ///< one fit of the factors to a matrix of this shape
  /// Of that fit, counting the products with the matrix alone; 0 with rank 0.
  double low_rank_operations_per_second = 0.0;
  double sgemm_operations_per_second = 0.0;  ///< all threads, measured in the same run
};

/// Times compress::compress_matrix on a seeded random matrix with a decaying spectrum.
[[nodiscard]] Result<CompressBenchReport> measure_compression(
    const CompressBenchOptions& options, const ProgressCallback& progress = {});

}  // namespace trine
