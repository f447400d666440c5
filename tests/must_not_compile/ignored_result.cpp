// A Result dropped on the floor: a failure nobody would see.
#include "base/result.h"

namespace {

trine::Result<int> number() { return 1; }

}  // namespace

int main() {
  number();
  return 0;
}
