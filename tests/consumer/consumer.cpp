// Prints the version and the family of a model: `consumer MODEL`.
#include <cstdio>
#include <trine/trine.h>

// Of somebody else's style: Trine's warnings are not theirs.
static int unused_parameter_is_fine(int unused) { return 0; }

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto model = trine::inspect_model(argv[1]);
  if (!model) {
    std::printf("%s: %s\n", to_string(model.error().code).c_str(),
                model.error().message.c_str());
    return 1;
  }
  std::printf("trine %s: %s\n", trine::version().c_str(), model->family.c_str());
  return unused_parameter_is_fine(argc);
}
