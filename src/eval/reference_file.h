// A reference file (eval/reference_format.h) in the place of the original.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/safetensors_file.h"
#include "eval/reference.h"
#include "eval/reference_format.h"

namespace trine::eval {

/// Safe on any file: what does not fit the format is kMalformed, with file and tensor named.
class FileReference final : public Reference {
 public:
  /// kNotFound, kIo or kMalformed; kUnsupported for a version we do not know.
  [[nodiscard]] static Result<FileReference> open(const std::filesystem::path& path);

  [[nodiscard]] Status require_same(const ModelSpec& model,
                                    const Protocol& protocol) const override;
  [[nodiscard]] Status start_text(const TextWindows& text) override;
  [[nodiscard]] Result<WindowRouting> start_batch(std::size_t first,
                                                  std::size_t count) override;
  [[nodiscard]] Result<PredictionRows> rows(std::size_t window_of_batch, std::size_t first,
                                            std::size_t count) override;
  [[nodiscard]] std::size_t top_tokens() const noexcept override { return top_tokens_; }

 private:
  explicit FileReference(base::SafetensorsFile file, std::string name)
      : file_(std::move(file)), name_(std::move(name)) {}

  [[nodiscard]] Status read_metadata();
  [[nodiscard]] Result<std::string_view> metadata(const std::string& key) const;
  [[nodiscard]] Result<std::size_t> number(const std::string& key) const;
  [[nodiscard]] Result<std::span<const std::uint8_t>> tensor(
      std::size_t window, const char* part, DType dtype,
      const std::vector<std::size_t>& shape) const;
  [[nodiscard]] Status add_experts(std::size_t window, const WindowRows& rows,
                                   WindowRouting& routing) const;

  base::SafetensorsFile file_;
  std::string name_;
  std::size_t vocab_size_ = 0;
  std::size_t top_tokens_ = 0;
  bool has_encoder_ = false;
  std::vector<LayerExperts> encoder_{}, decoder_{};
  std::vector<std::string> keys_{};  ///< of the texts
  const TextWindows* text_ = nullptr;
  std::size_t text_index_ = 0;
  std::size_t first_window_ = 0;  ///< of the batch
};

}  // namespace trine::eval
