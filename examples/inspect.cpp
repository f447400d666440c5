// What is in a model: `example_inspect MODEL`.
#include <trine/inspect.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: example_inspect MODEL\n");
    return 2;
  }
  const auto model = trine::inspect_model(argv[1]);
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().message.c_str());
    return 1;
  }
  const double millions = static_cast<double>(model->num_parameters) / 1e6;
  std::printf("%s, %.1f million parameters\n", model->family.c_str(), millions);
  for (const trine::RoleInspection& role : model->roles) {
    const double bits = 8.0 * static_cast<double>(role.stored_bytes);
    std::printf("  %-14s %5zu matrices, %.2f bits per weight\n", role.role.c_str(),
                static_cast<std::size_t>(role.num_matrices),
                bits / static_cast<double>(role.num_weights));
  }
}
