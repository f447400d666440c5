// The list of commands.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string_view>

#include "cli/output.h"

namespace trine::cli {

/// Declares a command's options on `app` and returns what to run once they are parsed; the
/// function prints its result through `output` or returns an Error.
using DeclareCommand = std::function<Status(Output&)>(CLI::App& app);

struct Command {
  std::string_view name;
  std::string_view summary;
  DeclareCommand* declare;
};

[[nodiscard]] std::span<const Command> commands() noexcept;

/// Parses and runs. @return the exit code: 0 ok, 1 the world failed us, 2 usage, 70 our bug.
int run(int argc, char** argv);

}  // namespace trine::cli
