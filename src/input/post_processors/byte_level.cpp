// {"type": "ByteLevel"}: adds nothing. It trims places in the text, which Trine does not give.
#include "input/post_processors/post_processor.h"

namespace trine::input {

Status read_byte_level_post_processor(const JsonPart&, SpecialTokenFrame&) { return {}; }

}  // namespace trine::input
