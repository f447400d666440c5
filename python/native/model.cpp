#include "model.h"

#include <chrono>
#include <memory>
#include <stdexcept>

#include "conversion.h"
#include "fork_guard.h"
#include "long_work.h"

namespace trine::python {
namespace {

TextModel open(const std::string& path, const py::dict& options) {
  const auto engine = options_from<EngineOptions>(options);
  auto opened = [&] {
    const py::gil_scoped_release unlocked;
    return TextModel::open(path, engine);
  }();
  return unwrap(std::move(opened));
}

}  // namespace

/// The model is ours as long as this lives.
class Model::Turn {
 public:
  explicit Turn(Model& model) : model_(model), lock_(model.mutex_, std::defer_lock) {
    if (model.busy_thread_ == std::this_thread::get_id()) {
      throw std::runtime_error("the model is busy with the call that on_text was called from");
    }
    while (!try_for_a_moment()) raise_pending_signals();
    model_.busy_thread_ = std::this_thread::get_id();
  }
  ~Turn() { model_.busy_thread_ = std::thread::id(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  /// Waiting wakes up often enough for Ctrl-C to feel prompt.
  bool try_for_a_moment() {
    if (lock_.try_lock()) return true;
    const py::gil_scoped_release unlocked;
    return lock_.try_lock_for(std::chrono::milliseconds(50));
  }

  Model& model_;
  std::unique_lock<std::timed_mutex> lock_;
};

Model::Model(const std::string& path, const py::dict& options) : model_(open(path, options)) {}

py::object Model::generate(const std::string& prompt, const py::dict& options,
                           const py::object& on_text) {
  const auto how = options_from<GenerateOptions>(options);
  about_to_use_threads();
  const Turn turn(*this);
  const TextCallback pass_on = [&on_text](std::string_view piece) {
    const py::gil_scoped_acquire locked;
    raise_pending_signals();
    if (!on_text.is_none()) on_text(py::str(piece.data(), piece.size()));
  };
  auto result = [&] {
    const py::gil_scoped_release unlocked;
    return model_.generate(prompt, how, pass_on);
  }();
  auto report = unwrap(std::move(result));
  return to_python(report);
}

py::array_t<float> Model::logits(const std::vector<std::int32_t>& token_ids,
                                 const std::vector<std::int32_t>& encoder_token_ids) {
  about_to_use_threads();
  const Turn turn(*this);
  auto result = [&] {
    const py::gil_scoped_release unlocked;
    return model_.logits(token_ids, encoder_token_ids);
  }();
  auto report = std::make_unique<LogitsReport>(unwrap(std::move(result)));
  const auto positions = static_cast<py::ssize_t>(report->positions);
  const auto vocab_size = static_cast<py::ssize_t>(report->vocab_size);
  const float* values = report->values.data();
  const py::capsule owner(report.release(),
                          [](void* held) { delete static_cast<LogitsReport*>(held); });
  return py::array_t<float>({positions, vocab_size}, values, owner);
}

std::vector<std::int32_t> Model::tokenize(const std::string& text,
                                          bool add_special_tokens) const {
  const py::gil_scoped_release unlocked;
  return model_.tokenize(text, add_special_tokens);
}

std::string Model::detokenize(const std::vector<std::int32_t>& token_ids,
                              bool skip_special_tokens) const {
  const py::gil_scoped_release unlocked;
  return model_.detokenize(token_ids, skip_special_tokens);
}

}  // namespace trine::python
