#include "cli/plan_options.h"

#include <map>

namespace trine::cli {

void add_plan_options(CLI::App& app, PlanOptions& options) {
  app.add_option("--preset", options.preset,
                 "<quantizer>-<bits>bit (rtn, hqq, trine; 2, 3, 4, 5, 6 or 8 bits), milo-s1, "
                 "milo-s2 or expert-mixed-<average bits> [hqq-3bit]");
  app.add_option("--bits-per-weight", options.bits_per_weight,
                 "Budget instead of a preset: all stored bits of the compressed matrices");
  app.add_option(
         "--memory", options.memory_bytes,
         "Budget instead of a preset: tensor bytes of the whole packed model, e.g. 12GiB")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--allocator", options.allocator,
                 "uniform, dense-sparse, expert-mixed or error (the default of a budget)");
  app.add_option("--stats", options.statistics, "Statistics of `trine calibrate`");
  app.add_option("--init-checkpoint", options.initial_routers,
                 "Checkpoint, or safetensors file with the routers, from before training");
  app.add_option("--errors", options.error_table,
                 "Measured errors: read if the file exists, else measured and kept there");
  app.add_option(
      "--rank", options.rank,
      "Ranks of compensators: uniform-R, dense-R, sparse-R, frequency-R, kurtosis-R, "
      "joined by +");
  app.add_option("--rank-scale", options.rank_scale,
                 "Multiplies every rank: small models have small ranks")
      ->capture_default_str();
  app.add_option(
      "--compensator", options.compensator,
      "milo, milo-paper as published, or whitened (with --stats) [that of the preset,\n"
      "else milo]");
  app.add_option("--factor-bits", options.factor_bits,
                 "Width of the compensators' factors: 3, 4, 8 or 16")
      ->capture_default_str();
  app.add_option("--group-size", options.group_size,
                 "Inputs that share a scale and a zero: 32, 64 or 128")
      ->capture_default_str();
  app.add_option("--metadata-bits", options.metadata_bits,
                 "Width of scales and zeros: 16, or 8 with a second level per row")
      ->capture_default_str();
  app.add_option("--attention-bits", options.attention_bits,
                 "Bits of attention, dense feed-forwards and shared experts");
  // Callbacks: bound to an optional, CLI11's flags make it false when they are not given.
  auto* unbiased = app.add_flag_callback(
      "--unbiased", [&options] { options.unbiased = true; },
      "Scale matrices back by what least squares shrank them [budgets: yes, presets: no]");
  app.add_flag_callback(
         "--least-squares", [&options] { options.unbiased = false; },
         "Leave matrices as least squares made them")
      ->excludes(unbiased);
  app.add_option(
      "--quantizer", options.quantizer,
      "rtn, hqq, trine, gptq or gptq-compat (both with --stats) [that of the preset]");
  app.add_option(
      "--score", options.score,
      "What expert-mixed ranks experts by, for example combined, router-norm-change, "
      "max-variance, frequency, random [combined]");
  app.add_option("--levels", options.levels, "Bits of expert-mixed, highest first [3 2]")
      ->expected(2, 3);
  app.add_option("--seed", options.seed, "Of the score random")->capture_default_str();
}

}  // namespace trine::cli
