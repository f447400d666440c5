// Text as it is written, and the token the model thought most likely after the prompt:
// `example_generate MODEL PROMPT`.
#include <trine/engine.h>

#include <algorithm>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: example_generate MODEL PROMPT\n");
    return 2;
  }
  auto model = trine::TextModel::open(argv[1]);
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().message.c_str());
    return 1;
  }
  const auto logits = model->logits(model->tokenize(argv[2]));
  if (!logits) {
    std::fprintf(stderr, "%s\n", logits.error().message.c_str());
    return 1;
  }
  const auto last = logits->values.end() - static_cast<std::ptrdiff_t>(logits->vocab_size);
  const auto likely = std::max_element(last, logits->values.end()) - last;
  std::printf("most likely token: '%s'\n",
              model->detokenize({static_cast<std::int32_t>(likely)}).c_str());

  trine::GenerateOptions options;
  options.max_tokens = 40;
  options.temperature = 0.8;
  options.seed = 7;
  std::printf("%s", argv[2]);
  const auto report = model->generate(argv[2], options, [](std::string_view piece) {
    std::printf("%.*s", static_cast<int>(piece.size()), piece.data());
    std::fflush(stdout);
  });
  std::printf("\n");
  if (!report) {
    std::fprintf(stderr, "%s\n", report.error().message.c_str());
    return 1;
  }
}
