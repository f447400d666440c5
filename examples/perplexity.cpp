// How good a model is, and how close to its original:
// `example_perplexity MODEL TEXT [ORIGINAL]`, windows of 256 tokens.
#include <trine/evaluate.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: example_perplexity MODEL TEXT [ORIGINAL]\n");
    return 2;
  }
  trine::PerplexityOptions options;
  options.text_files = {argv[2]};
  options.window = 256;
  if (argc == 4) options.reference = argv[3];
  const auto report = trine::evaluate_perplexity(argv[1], options);
  if (!report) {
    std::fprintf(stderr, "%s\n", report.error().message.c_str());
    return 1;
  }
  std::printf("perplexity %.3f ± %.3f (%s windows of %zu tokens)\n", report->perplexity.value,
              report->perplexity.standard_error, report->protocol.c_str(), report->window);
  if (report->kl_divergence) {
    std::printf("KL to the original %.5f ± %.5f nats per token\n", report->kl_divergence->value,
                report->kl_divergence->standard_error);
  }
}
