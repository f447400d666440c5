// {"type": "Prepend", "prepend": "▁"}: puts a text in front. It does so on every stretch
// between added tokens, which is what makes "a</s>b" hold two words with a leading space.
#include "input/normalizers/normalizer.h"

namespace trine::input {
namespace {

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string_view prefix) : prefix_(prefix) {}
  void normalize(std::string& text) const override { text.insert(0, prefix_); }
  std::size_t growth() const override { return 1 + prefix_.size(); }

 private:
  std::string prefix_;
};

}  // namespace

Status read_prepend_normalizer(const JsonPart& part, Normalizers& normalizers) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("prepend"));
  TRINE_ASSIGN_OR_RETURN(const std::string_view prefix, field.string());
  normalizers.push_back(std::make_unique<Prepend>(prefix));
  return {};
}

}  // namespace trine::input
