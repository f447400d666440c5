// The one list of decoders. To add one: write <name>.cpp beside this file, declare its reader
// and add its row here. Nothing else changes.
#include <array>

#include "input/decoders/decoder.h"
#include "input/part_kinds.h"

namespace trine::input {

DecoderReader read_byte_fallback_decoder;
DecoderReader read_byte_level_decoder;
DecoderReader read_fuse_decoder;
DecoderReader read_metaspace_decoder;
DecoderReader read_replace_decoder;
DecoderReader read_sequence_decoder;
DecoderReader read_strip_decoder;

namespace {

constexpr std::array kDecoders = {
    PartKind<DecoderReader>{"ByteFallback", read_byte_fallback_decoder},
    PartKind<DecoderReader>{"ByteLevel", read_byte_level_decoder},
    PartKind<DecoderReader>{"Fuse", read_fuse_decoder},
    PartKind<DecoderReader>{"Metaspace", read_metaspace_decoder},
    PartKind<DecoderReader>{"Replace", read_replace_decoder},
    PartKind<DecoderReader>{"Sequence", read_sequence_decoder},
    PartKind<DecoderReader>{"Strip", read_strip_decoder},
};

}  // namespace

Status read_decoder(const JsonPart& part, Decoders& decoders) {
  TRINE_ASSIGN_OR_RETURN(DecoderReader* const read, find_reader(kDecoders, part));
  return read(part, decoders);
}

}  // namespace trine::input
