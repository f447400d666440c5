#include "input/token_models/byte_tokens.h"

namespace trine::input {

Result<std::optional<ByteIds>> read_byte_ids(const JsonPart& model,
                                             const Vocabulary& vocabulary) {
  TRINE_ASSIGN_OR_RETURN(const bool byte_fallback, model.boolean_or("byte_fallback", false));
  if (!byte_fallback) return std::nullopt;
  ByteIds byte_ids{};
  for (std::size_t byte = 0; byte < byte_ids.size(); ++byte) {
    const std::string text = fmt::format("<0x{:02X}>", byte);
    const auto id = vocabulary.id_of(text);
    if (!id) {
      return fail(ErrorCode::kMalformed,
                  "{}: byte_fallback is true, but \"{}\" is not in vocab", model.place(), text);
    }
    byte_ids[byte] = *id;
  }
  return byte_ids;
}

}  // namespace trine::input
