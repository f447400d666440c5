// Conversations with a model, original or packed, in the format it was trained on.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <trine/engine.h>
#include <trine/result.h>

namespace trine {

struct ChatOptions {
  std::string system{};  ///< a message before all others; empty: none
  /// Lines "role: content" instead of the model's chat template; for models without one.
  bool plain_format = false;
  std::tm local_time{};  ///< for templates that write the date
};

/// One conversation. What the model has read stays in its memory, so an answer reads only what is
/// new. One call at a time.
class Chat {
 public:
  /// kNotFound when the model has no chat template and plain_format is off; kUnsupported for
  /// encoder–decoder models.
  [[nodiscard]] static Result<Chat> open(const std::string& path, const ChatOptions& chat,
                                         const EngineOptions& engine = {});
  Chat(Chat&&) noexcept;
  Chat& operator=(Chat&&) noexcept;
  ~Chat();

  /// Adds `message` of the user and the model's answer to the conversation. When it fails, nothing
  /// has been added; kInvalidArgument when the template refuses the messages.
  /// GenerateReport::prompt_tokens counts the whole conversation.
  [[nodiscard]] Result<GenerateReport> answer(std::string_view message,
                                              const GenerateOptions& options,
                                              const TextCallback& on_text = {});

  /// Forgets everything but the system message.
  void reset();

 private:
  struct State;
  explicit Chat(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trine
