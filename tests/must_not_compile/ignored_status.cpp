// A Status dropped on the floor, from a function that is not marked itself.
#include "base/result.h"

namespace {

trine::Status done() { return {}; }

}  // namespace

int main() {
  done();
  return 0;
}
