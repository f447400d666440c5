// {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, or a {"Regex": …}: replaces
// every occurrence, left to right, none within another. The content is taken as it stands.
#include <utility>

#include "input/normalizers/normalizer.h"
#include "input/regex.h"

namespace trine::input {
namespace {

class ReplaceNormalizer final : public Normalizer {
 public:
  ReplaceNormalizer(Regex regex, std::string_view content)
      : regex_(std::move(regex)), content_(content) {}

  void normalize(std::string& text) const override {
    RegexSearch search(regex_);
    std::string replaced;
    replaced.reserve(text.size() + text.size() / 2);
    std::size_t done = 0;
    for (const RegexMatch& match : search.find_all(text)) {
      replaced.append(text, done, match.begin - done).append(content_);
      done = match.end;
    }
    text = replaced.append(text, done, std::string::npos);
  }
  std::size_t growth() const override { return 1 + content_.size(); }

 private:
  Regex regex_;
  std::string content_;
};

}  // namespace

Status read_replace_normalizer(const JsonPart& part, Normalizers& normalizers) {
  TRINE_ASSIGN_OR_RETURN(Regex regex, read_pattern(part));
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("content"));
  TRINE_ASSIGN_OR_RETURN(const std::string_view content, field.string());
  normalizers.push_back(std::make_unique<ReplaceNormalizer>(std::move(regex), content));
  return {};
}

}  // namespace trine::input
