#include "api/text_stream.h"

#include <string_view>
#include <utility>

namespace trine::api {

std::size_t piece_length(std::string_view text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) return text.size();
  const std::size_t line_feed = text.rfind('\n', most_bytes - 1);
  if (line_feed != std::string_view::npos) return line_feed + 1;
  // A character has at most three continuation bytes; more of them are no UTF-8 anyway.
  for (std::size_t length = most_bytes; length + 4 > most_bytes && length > 0; --length) {
    const bool is_continuation = (static_cast<unsigned char>(text[length]) & 0xC0u) == 0x80u;
    if (!is_continuation) return length;
  }
  return most_bytes;
}

TextStream::TextStream(std::unique_ptr<input::Tokenizer> tokenizer,
                       std::vector<base::MappedFile> files, std::size_t piece_bytes)
    : tokenizer_(std::move(tokenizer)), files_(std::move(files)), piece_bytes_(piece_bytes) {
  for (const base::MappedFile& file : files_) total_bytes_ += file.bytes().size();
}

Result<TextStream> TextStream::open(const std::string& model,
                                    const std::vector<std::string>& text_files,
                                    std::size_t piece_bytes) {
  TRINE_ASSIGN_OR_RETURN(auto tokenizer, input::open_tokenizer(model));
  std::vector<base::MappedFile> files;
  for (const std::string& text_file : text_files) {
    TRINE_ASSIGN_OR_RETURN(auto file, base::MappedFile::open(text_file));
    files.push_back(std::move(file));
  }
  return TextStream(std::move(tokenizer), std::move(files), piece_bytes);
}

Result<std::vector<std::int32_t>> TextStream::next() {
  std::vector<std::int32_t> token_ids;
  while (token_ids.empty() && file_ < files_.size()) {
    const auto bytes = files_[file_].bytes().subspan(offset_);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t length = piece_length(text, piece_bytes_);
    token_ids = tokenizer_->encode(
        text.substr(0, length),
        offset_ == 0 ? input::SpecialTokens::kInclude : input::SpecialTokens::kExclude);
    files_[file_].release_pages(bytes.first(length));
    read_bytes_ += length;
    read_tokens_ += token_ids.size();
    offset_ += length;
    if (offset_ == files_[file_].bytes().size()) {
      ++file_;
      offset_ = 0;
    }
  }
  return token_ids;
}

std::uint64_t TextStream::expected_tokens() const {
  if (read_bytes_ == 0 || file_ == files_.size()) return read_tokens_;
  const double share = static_cast<double>(total_bytes_) / static_cast<double>(read_bytes_);
  return static_cast<std::uint64_t>(static_cast<double>(read_tokens_) * share);
}

}  // namespace trine::api
