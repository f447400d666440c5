// {"type": "Strip", "strip_left": true, "strip_right": true}: takes white space off the ends of
// every stretch between added tokens.
#include "input/normalizers/normalizer.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}

  void normalize(std::string& text) const override {
    std::size_t begin = 0;
    std::size_t end = 0;  // of the last character that stays
    bool seen_other = false;
    for (std::size_t position = 0; position < text.size();) {
      const Utf8Character next = read_utf8(std::string_view(text).substr(position));
      if (!is_white_space(next.code_point)) {
        if (!seen_other) begin = position;
        seen_other = true;
        end = position + next.length;
      }
      position += next.length;
    }
    if (!left_) begin = 0;
    if (!right_) end = text.size();
    if (!seen_other && (left_ || right_)) begin = end = 0;
    text = text.substr(begin, end - begin);
  }

 private:
  bool left_;
  bool right_;
};

}  // namespace

Status read_strip_normalizer(const JsonPart& part, Normalizers& normalizers) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart left_field, part.field("strip_left"));
  TRINE_ASSIGN_OR_RETURN(const bool left, left_field.boolean());
  TRINE_ASSIGN_OR_RETURN(const JsonPart right_field, part.field("strip_right"));
  TRINE_ASSIGN_OR_RETURN(const bool right, right_field.boolean());
  normalizers.push_back(std::make_unique<StripNormalizer>(left, right));
  return {};
}

}  // namespace trine::input
