// From argv to an exit code: parse, run one command, report what went wrong.
#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include <trine/trine.h>

#include "cli/commands.h"

namespace trine::cli {
namespace {

constexpr int kOk = 0;
constexpr int kWorldFailed = 1;
constexpr int kUsage = 2;
constexpr int kOurBug = 70;

bool asks_for_json(int argc, char** argv) {
  return std::any_of(argv, argv + argc,
                     [](const char* word) { return std::string_view(word) == "--json"; });
}

/// Runs the parsed command and turns every way it can end into an exit code.
int run_command(const std::function<Status(Output&)>& command, Output& output) {
  try {
    if (const Status status = command(output); !status) {
      output.error(to_string(status.error().code), status.error().message);
      return kWorldFailed;
    }
    return output.failed() ? kWorldFailed : kOk;
  } catch (const std::bad_alloc&) {
    output.error("out_of_memory", "not enough memory for this model and these options");
    return kWorldFailed;
  } catch (const std::exception& error) {
    output.error("internal",
                 std::string("this is a bug in Trine, please report it: ") + error.what());
    return kOurBug;
  }
}

}  // namespace

int run(int argc, char** argv) {
  Output output(asks_for_json(argc, argv));
  CLI::App app(
      "Trine compresses Mixture-of-Experts language models to about three bits per\n"
      "weight and runs the result.",
      "trine");
  app.set_version_flag("--version", "trine " + version());
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 ok, 1 file or input at fault, 2 usage, 70 a bug in Trine.\n"
      "`trine COMMAND --help` shows examples.");
  std::vector<std::function<Status(Output&)>> runners;
  std::vector<CLI::App*> parsers;
  for (const Command& command : commands()) {
    CLI::App* parser =
        app.add_subcommand(std::string(command.name), std::string(command.summary));
    runners.push_back(command.declare(*parser));
    parsers.push_back(parser);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& shown) {  // --help, --version
    return app.exit(shown);
  } catch (const CLI::ParseError& error) {
    output.error("usage", std::string(error.what()) + " (see trine --help)");
    return kUsage;
  }
  for (std::size_t i = 0; i < parsers.size(); ++i) {
    if (parsers[i]->parsed()) return run_command(runners[i], output);
  }
  return kUsage;
}

}  // namespace trine::cli
