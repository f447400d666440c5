// Keeps what a model says of some texts, to compare others with it later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/safetensors_writer.h"
#include "core/model_spec.h"
#include "eval/reference.h"

namespace trine::eval {

/// Writes a reference file (eval/reference_format.h) window by window, in the order of the texts.
/// Holds one window in memory. The file appears with finish().
class ReferenceWriter {
 public:
  /// @param top_tokens kept per prediction; the vocabulary at most. kInvalidArgument for 0.
  [[nodiscard]] static Result<ReferenceWriter> create(const std::filesystem::path& path,
                                                      const ModelSpec& model,
                                                      const Protocol& protocol,
                                                      std::span<const TextWindows> texts,
                                                      std::size_t top_tokens);

  /// The next predictions of the window under way.
  /// @param logits [targets, vocabulary].
  void add_rows(std::span<const float> logits, std::span<const std::int32_t> targets,
                int threads);

  /// Ends the window: its experts are those of `rows` in the batch's routing.
  [[nodiscard]] Status finish_window(const WindowRouting& routing, const WindowRows& rows);

  /// Makes the file visible and durable. The last call.
  [[nodiscard]] Status finish() { return file_.finish(); }

 private:
  ReferenceWriter(base::SafetensorsWriter file, std::size_t vocab_size, std::size_t top_tokens)
      : file_(std::move(file)), vocab_size_(vocab_size), top_tokens_(top_tokens) {}

  base::SafetensorsWriter file_;
  std::size_t vocab_size_;
  std::size_t top_tokens_;
  std::vector<std::int32_t> token_ids_{};  ///< of the window
  std::vector<float> values_{};            ///< of the window
};

}  // namespace trine::eval
