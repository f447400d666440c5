// {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}: replaces every occurrence,
// left to right, none within another.
#include "input/normalizers/normalizer.h"
#include "input/part_kinds.h"

namespace trine::input {
namespace {

class Replace final : public Normalizer {
 public:
  Replace(std::string pattern, std::string_view content)
      : pattern_(std::move(pattern)), content_(content) {}

  void normalize(std::string& text) const override {
    std::string replaced;
    replaced.reserve(text.size() + text.size() / 2);
    std::size_t done = 0;
    for (std::size_t found = text.find(pattern_); found != std::string::npos;
         found = text.find(pattern_, done)) {
      replaced.append(text, done, found - done).append(content_);
      done = found + pattern_.size();
    }
    text = replaced.append(text, done, std::string::npos);
  }

 private:
  std::string pattern_;
  std::string content_;
};

}  // namespace

Status read_replace_normalizer(const JsonPart& part, Normalizers& normalizers) {
  TRINE_ASSIGN_OR_RETURN(std::string pattern, read_text_pattern(part));
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("content"));
  TRINE_ASSIGN_OR_RETURN(const std::string_view content, field.string());
  normalizers.push_back(std::make_unique<Replace>(std::move(pattern), content));
  return {};
}

}  // namespace trine::input
