// The one list of normalizers. To add one: write <name>.cpp beside this file, declare its
// reader and add its row here. Nothing else changes.
#include <array>

#include "input/normalizers/normalizer.h"
#include "input/part_kinds.h"

namespace trine::input {

NormalizerReader read_lowercase_normalizer;
NormalizerReader read_nfc_normalizer;
NormalizerReader read_nfd_normalizer;
NormalizerReader read_nfkc_normalizer;
NormalizerReader read_nfkd_normalizer;
NormalizerReader read_precompiled_normalizer;
NormalizerReader read_prepend_normalizer;
NormalizerReader read_replace_normalizer;
NormalizerReader read_sequence_normalizer;
NormalizerReader read_strip_normalizer;
NormalizerReader read_strip_accents_normalizer;

namespace {

constexpr std::array kNormalizers = {
    PartKind<NormalizerReader>{"Lowercase", read_lowercase_normalizer},
    PartKind<NormalizerReader>{"NFC", read_nfc_normalizer},
    PartKind<NormalizerReader>{"NFD", read_nfd_normalizer},
    PartKind<NormalizerReader>{"NFKC", read_nfkc_normalizer},
    PartKind<NormalizerReader>{"NFKD", read_nfkd_normalizer},
    PartKind<NormalizerReader>{"Precompiled", read_precompiled_normalizer},
    PartKind<NormalizerReader>{"Prepend", read_prepend_normalizer},
    PartKind<NormalizerReader>{"Replace", read_replace_normalizer},
    PartKind<NormalizerReader>{"Sequence", read_sequence_normalizer},
    PartKind<NormalizerReader>{"Strip", read_strip_normalizer},
    PartKind<NormalizerReader>{"StripAccents", read_strip_accents_normalizer},
};

}  // namespace

Status read_normalizer(const JsonPart& part, Normalizers& normalizers) {
  TRINE_ASSIGN_OR_RETURN(NormalizerReader* const read, find_reader(kNormalizers, part));
  return read(part, normalizers);
}

std::string normalize(const Normalizers& normalizers, std::string_view text) {
  std::string normalized(text);
  for (const auto& normalizer : normalizers) {
    if (!normalized.empty()) normalizer->normalize(normalized);
  }
  return normalized;
}

}  // namespace trine::input
