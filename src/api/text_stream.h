// Text files as token ids, a piece at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "calibrate/calibration.h"
#include "input/tokenizer.h"

namespace trine::api {

inline constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

/// Files one after the other. One of up to `piece_bytes` is tokenized as a whole, as evaluation
/// does; a longer one in pieces that end behind a line where there is one, and what the model
/// expects around a sequence goes around the first. Memory does not grow with the text.
class TextStream final : public calibrate::TokenSource {
 public:
  /// Opens the model's tokenizer and maps every file, so what is missing shows at once.
  [[nodiscard]] static Result<TextStream> open(const std::string& model,
                                               const std::vector<std::string>& text_files,
                                               std::size_t piece_bytes = kPieceBytes);

  [[nodiscard]] Result<std::vector<std::int32_t>> next() override;
  /// Exact when all is read; before, as if what follows were like what was read.
  [[nodiscard]] std::uint64_t expected_tokens() const override;

 private:
  TextStream(std::unique_ptr<input::Tokenizer> tokenizer, std::vector<base::MappedFile> files,
             std::size_t piece_bytes);

  std::unique_ptr<input::Tokenizer> tokenizer_;
  std::vector<base::MappedFile> files_;
  std::size_t piece_bytes_;
  std::size_t file_ = 0;    ///< being read
  std::size_t offset_ = 0;  ///< of what is unread in it
  std::uint64_t total_bytes_ = 0, read_bytes_ = 0, read_tokens_ = 0;
};

/// Bytes of the piece at the start of `text`: all of it up to most_bytes, else up to there
/// behind the last line feed, or between two characters when there is none.
[[nodiscard]] std::size_t piece_length(std::string_view text, std::size_t most_bytes);

}  // namespace trine::api
