#include "cli/shared_options.h"

namespace trine::cli {

void add_json_option(CLI::App& app) {
  app.add_flag("--json")->description("Print one JSON value instead of text");
}

void add_model_argument(CLI::App& app, std::string& model) {
  app.add_option("MODEL", model, "Model directory, original or packed")->required();
}

void add_threads_option(CLI::App& app, int& threads) {
  app.add_option("--threads", threads, "Threads; 0 means all processors")
      ->capture_default_str();
}

void add_engine_options(CLI::App& app, EngineOptions& options) {
  add_threads_option(app, options.threads);
  app.add_option(
      "--isa", options.isa,
      "Instruction set: scalar, avx2, avx512 or avx512vnni; the best one by default");
  app.add_option(
         "--activations", options.activations,
         "Inputs of packed weights: 16 bits (finer than fp16), 8 (faster prompts) or bf16")
      ->capture_default_str();
}

void add_sampling_options(CLI::App& app, GenerateOptions& generate) {
  app.add_option("--max-tokens", generate.max_tokens, "Stop after this many tokens")
      ->capture_default_str();
  app.add_option("--temperature", generate.temperature, "0 always takes the most likely token")
      ->capture_default_str();
  app.add_option("--top-k", generate.top_k, "Keep the k most likely tokens; 0 keeps all")
      ->capture_default_str();
  app.add_option("--top-p", generate.top_p, "Keep the smallest set with this much probability")
      ->capture_default_str();
  app.add_option("--min-p", generate.min_p, "Drop tokens below this share of the most likely")
      ->capture_default_str();
  app.add_option("--repetition-penalty", generate.repetition_penalty,
                 "Above 1 makes tokens already seen less likely")
      ->capture_default_str();
  app.add_option("--seed", generate.seed, "Same seed, same text")->capture_default_str();
}

}  // namespace trine::cli
