// {"type": "StripAccents"}: drops combining marks (category M). A letter that Unicode also has
// with its accent loses it only after NFD. Through ICU 72, Unicode 15; the Rust library
// `tokenizers` 0.23 misses 357 marks that are newer than its data.
#include <unicode/uchar.h>

#include "input/normalizers/normalizer.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

class StripAccents final : public Normalizer {
 public:
  void normalize(std::string& text) const override {
    std::string kept;
    kept.reserve(text.size());
    for (std::string_view rest = text; !rest.empty();) {
      const Utf8Character next = read_utf8(rest);
      const auto code_point = static_cast<UChar32>(next.code_point);
      const bool is_mark = (U_GET_GC_MASK(code_point) & U_GC_M_MASK) != 0;
      if (!is_mark) kept += rest.substr(0, next.length);
      rest.remove_prefix(next.length);
    }
    text = std::move(kept);
  }
};

}  // namespace

Status read_strip_accents_normalizer(const JsonPart&, Normalizers& normalizers) {
  normalizers.push_back(std::make_unique<StripAccents>());
  return {};
}

}  // namespace trine::input
