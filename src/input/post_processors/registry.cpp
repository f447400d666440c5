// The one list of post-processors. To add one: write <name>.cpp beside this file, declare its
// reader and add its row here. Nothing else changes.
#include <array>

#include "input/part_kinds.h"
#include "input/post_processors/post_processor.h"

namespace trine::input {

PostProcessorReader read_bert_processing;
PostProcessorReader read_byte_level_post_processor;
PostProcessorReader read_sequence_post_processor;
PostProcessorReader read_template_processing;

namespace {

constexpr std::array kPostProcessors = {
    PartKind<PostProcessorReader>{"BertProcessing", read_bert_processing},
    PartKind<PostProcessorReader>{"ByteLevel", read_byte_level_post_processor},
    PartKind<PostProcessorReader>{"RobertaProcessing", read_bert_processing},
    PartKind<PostProcessorReader>{"Sequence", read_sequence_post_processor},
    PartKind<PostProcessorReader>{"TemplateProcessing", read_template_processing},
};

}  // namespace

Status read_post_processor(const JsonPart& part, SpecialTokenFrame& frame) {
  TRINE_ASSIGN_OR_RETURN(PostProcessorReader* const read, find_reader(kPostProcessors, part));
  return read(part, frame);
}

}  // namespace trine::input
