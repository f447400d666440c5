// {"type": "NFC"}, NFD, NFKC, NFKD: one spelling for texts that look alike, through ICU.
// Unicode Standard Annex 15. ICU 72 has Unicode 15; the Rust library `tokenizers` 0.23 has
// Unicode 13 here, and differs on 134 compatibility characters and the letter U+11938.
#include <unicode/normalizer2.h>

#include <algorithm>

#include "input/normalizers/normalizer.h"

namespace trine::input {
namespace {

using IcuForm = const icu::Normalizer2*(UErrorCode&);

class UnicodeForm final : public Normalizer {
 public:
  explicit UnicodeForm(const icu::Normalizer2& form) : form_(form) {}

  void normalize(std::string& text) const override {
    const auto is_ascii = [](char byte) { return static_cast<signed char>(byte) >= 0; };
    if (std::all_of(text.begin(), text.end(), is_ascii)) return;  // it has one spelling only
    std::string normalized;
    icu::StringByteSink<std::string> sink(&normalized, static_cast<std::int32_t>(text.size()));
    UErrorCode error = U_ZERO_ERROR;
    form_.normalizeUTF8(0, text, sink, nullptr, error);
    check(U_SUCCESS(error), "ICU could not normalize valid UTF-8");
    text = std::move(normalized);
  }

 private:
  const icu::Normalizer2& form_;  ///< ICU's, for good
};

Status add_form(IcuForm* get_form, Normalizers& normalizers) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* form = get_form(error);
  check(U_SUCCESS(error) && form != nullptr, "ICU has no data for normalization");
  normalizers.push_back(std::make_unique<UnicodeForm>(*form));
  return {};
}

}  // namespace

Status read_nfc_normalizer(const JsonPart&, Normalizers& normalizers) {
  return add_form(icu::Normalizer2::getNFCInstance, normalizers);
}

Status read_nfd_normalizer(const JsonPart&, Normalizers& normalizers) {
  return add_form(icu::Normalizer2::getNFDInstance, normalizers);
}

Status read_nfkc_normalizer(const JsonPart&, Normalizers& normalizers) {
  return add_form(icu::Normalizer2::getNFKCInstance, normalizers);
}

Status read_nfkd_normalizer(const JsonPart&, Normalizers& normalizers) {
  return add_form(icu::Normalizer2::getNFKDInstance, normalizers);
}

}  // namespace trine::input
