// A packed model out of a checkpoint: `example_compress MODEL OUT PRESET`, for example hqq-3bit.
#include <trine/compress.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: example_compress MODEL OUT PRESET\n");
    return 2;
  }
  trine::CompressOptions options;
  options.plan.preset = argv[3];
  const auto show = [](const trine::Progress& step) {
    std::fprintf(
        stderr, "\r%3.0f %%",
        100.0 * static_cast<double>(step.done_units) / static_cast<double>(step.total_units));
  };
  const auto report = trine::compress_model(argv[1], argv[2], options, show);
  std::fprintf(stderr, "\n");
  if (!report) {
    std::fprintf(stderr, "%s\n", report.error().message.c_str());
    return 1;
  }
  std::printf("%zu bytes instead of %zu, %.3f bits per weight, weight error %.4f\n",
              static_cast<std::size_t>(report->stored_bytes),
              static_cast<std::size_t>(report->original_bytes), report->bits_per_weight,
              report->weight_error);
}
