// Options several commands have, declared the same way everywhere.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <trine/engine.h>

namespace trine::cli {

/// --json
void add_json_option(CLI::App& app);
/// The positional MODEL.
void add_model_argument(CLI::App& app, std::string& model);
/// --threads
void add_threads_option(CLI::App& app, int& threads);
/// --threads and --isa
void add_engine_options(CLI::App& app, EngineOptions& options);
/// --max-tokens, --temperature, --seed and what else chooses tokens
void add_sampling_options(CLI::App& app, GenerateOptions& generate);

}  // namespace trine::cli
