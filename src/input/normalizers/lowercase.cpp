// {"type": "Lowercase"}: each character by itself, so the Greek sigma at the end of a word is
// not told from others. Through ICU 72, Unicode 15.
#include <unicode/locid.h>
#include <unicode/unistr.h>

#include "input/normalizers/normalizer.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

class Lowercase final : public Normalizer {
 public:
  void normalize(std::string& text) const override {
    std::string lower;
    lower.reserve(text.size());
    for (std::string_view rest = text; !rest.empty();) {
      const Utf8Character next = read_utf8(rest);
      if (next.length == 1) {
        const bool is_capital = rest[0] >= 'A' && rest[0] <= 'Z';
        lower += is_capital ? static_cast<char>(rest[0] - 'A' + 'a') : rest[0];
      } else {
        icu::UnicodeString(static_cast<UChar32>(next.code_point))
            .toLower(icu::Locale::getRoot())
            .toUTF8String(lower);
      }
      rest.remove_prefix(next.length);
    }
    text = std::move(lower);
  }
};

}  // namespace

Status read_lowercase_normalizer(const JsonPart&, Normalizers& normalizers) {
  normalizers.push_back(std::make_unique<Lowercase>());
  return {};
}

}  // namespace trine::input
