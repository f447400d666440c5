// trine chat
#include <trine/chat.h>

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <iostream>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

struct ChatCommandOptions {
  std::string model{};
  ChatOptions chat{};
  EngineOptions engine{};
  GenerateOptions generate{};
};

/// The next message; false at the end of the input or on /quit. "> " asks for it at a terminal.
bool read_message(Chat& chat, bool at_terminal, std::string& message) {
  while (true) {
    if (at_terminal) {
      fmt::print("> ");
      std::fflush(stdout);
    }
    if (!std::getline(std::cin, message) || message == "/quit") return false;
    if (message == "/reset") {
      chat.reset();
      if (at_terminal) fmt::print(stderr, "[forgotten]\n");
    } else if (!message.empty()) {
      return true;
    }
  }
}

Json turn_json(const std::string& message, const GenerateReport& report) {
  return {{"user", message},
          {"text", report.text},
          {"finish_reason", report.finish_reason},
          {"prompt_tokens", report.prompt_tokens},
          {"generated_tokens", report.generated_tokens}};
}

Status run_chat(ChatCommandOptions& options, Output& output) {
  const std::time_t now = std::time(nullptr);
  localtime_r(&now, &options.chat.local_time);
  Result<Chat> chat = Chat::open(options.model, options.chat, options.engine);
  if (!chat) return tl::unexpected<Error>(chat.error());
  const bool at_terminal = isatty(STDIN_FILENO) != 0 && !output.json();
  if (at_terminal) fmt::print(stderr, "[/reset forgets the conversation, /quit ends it]\n");
  const TextCallback show = [&output](std::string_view piece) {
    if (output.json()) return;
    fmt::print("{}", piece);
    std::fflush(stdout);
  };
  Json turns = Json::array();
  std::string message;
  while (read_message(*chat, at_terminal, message)) {
    const Result<GenerateReport> report = chat->answer(message, options.generate, show);
    if (!report) return tl::unexpected<Error>(report.error());
    if (output.json()) {
      turns.push_back(turn_json(message, *report));
    } else {
      fmt::print("\n");
      std::fflush(stdout);
    }
  }
  if (output.json()) output.result({{"turns", turns}}, "");
  return {};
}

}  // namespace

DeclareCommand declare_chat;
std::function<Status(Output&)> declare_chat(CLI::App& app) {
  const auto options = std::make_shared<ChatCommandOptions>();
  options->generate.max_tokens = 512;
  add_model_argument(app, options->model);
  app.add_option("--system", options->chat.system, "A message that comes before all others");
  app.add_flag("--plain", options->chat.plain_format,
               "Lines \"role: content\" instead of the model's chat template");
  add_sampling_options(app, options->generate);
  add_engine_options(app, options->engine);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine chat tiny-3bit --system 'You answer in one sentence.'\n"
      "  printf 'Who are you?\\nWhy?\\n' | trine chat models/tiny-mixtral --max-tokens 40\n"
      "Every line is a message of the user; /reset forgets the conversation, /quit or the end "
      "of\n"
      "the input ends it. The format is the model's own: chat_template.jinja, or chat_template "
      "in\n"
      "tokenizer_config.json.");
  return [options](Output& output) { return run_chat(*options, output); };
}

}  // namespace trine::cli
