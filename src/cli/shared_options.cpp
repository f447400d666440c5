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
}

}  // namespace trine::cli
