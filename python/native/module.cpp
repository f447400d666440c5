// trine._native: the public interface of include/trine with dicts for options and reports. The
// Python files of python/trine give it signatures, types and words.
#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include <trine/trine.h>
#include "conversion.h"
#include "fork_guard.h"
#include "long_work.h"
#include "model.h"

namespace trine::python {

void raise(const Error& error) {
  const py::object type = py::module_::import("trine.errors").attr("Error");
  const py::object raised = type(to_string(error.code), error.message);
  PyErr_SetObject(type.ptr(), raised.ptr());
  throw py::error_already_set();
}

namespace {

/// How the C++ struct is filled when nothing is said, for tests of Python's signatures.
template <class T>
py::object defaults() {
  T options{};
  return to_python(options);
}

py::object native_inspect(const std::string& model) {
  auto result = [&] {
    const py::gil_scoped_release unlocked;
    return inspect_model(model);
  }();
  auto report = unwrap(std::move(result));
  return to_python(report);
}

py::object native_verify(const std::string& model, const py::object& progress) {
  return run_long(progress, [&](const auto& sink) { return verify_model(model, sink); });
}

py::object native_calibrate(const std::string& model, const py::dict& given,
                            const py::object& progress) {
  const auto options = options_from<CalibrateOptions>(given);
  return run_long(progress,
                  [&](const auto& sink) { return calibrate_model(model, options, sink); });
}

py::object native_plan(const std::string& source, const py::dict& given,
                       const std::string& output, const py::object& progress) {
  const auto options = options_from<PlanOptions>(given);
  return run_long(progress, [&](const auto& sink) -> Result<PlanReport> {
    if (!output.empty()) {
      if (const Status free = check_plan_output(output); !free) {
        return tl::unexpected<Error>(free.error());
      }
    }
    Result<PlanReport> report = plan_model(source, options, sink);
    if (!report || output.empty()) return report;
    if (const Status written = write_plan(output, *report); !written) {
      return tl::unexpected<Error>(written.error());
    }
    return report;
  });
}

py::object native_compress(const std::string& source, const std::string& target,
                           const py::dict& given, const py::object& progress) {
  const auto options = options_from<CompressOptions>(given);
  return run_long(progress, [&](const auto& sink) {
    return compress_model(source, target, options, sink);
  });
}

py::object native_certify(const std::string& model, const py::dict& given,
                          const py::object& progress) {
  const auto options = options_from<CertifyOptions>(given);
  return run_long(progress, [&](const auto& sink) { return certify(model, options, sink); });
}

py::object native_evaluate(const std::string& model, const py::dict& given,
                           const py::object& progress) {
  const auto options = options_from<PerplexityOptions>(given);
  return run_long(progress,
                  [&](const auto& sink) { return evaluate_perplexity(model, options, sink); });
}

py::object native_evaluate_tasks(const std::string& model, const py::dict& given,
                                 const py::object& progress) {
  const auto options = options_from<TaskOptions>(given);
  return run_long(progress,
                  [&](const auto& sink) { return evaluate_tasks(model, options, sink); });
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  watch_forks();
  module.doc() = "The compiled part of trine; use the module trine.";
  py::register_exception<InvariantError>(module, "InvariantError", PyExc_RuntimeError).doc() =
      "A broken promise of Trine's own code: a bug, please report it.";
  module.def("version", &version);
  module.def("inspect", &native_inspect);
  module.def("verify", &native_verify);
  module.def("calibrate", &native_calibrate);
  module.def("plan", &native_plan);
  module.def("compress", &native_compress);
  module.def("certify", &native_certify);
  module.def("evaluate", &native_evaluate);
  module.def("evaluate_tasks", &native_evaluate_tasks);
  module.def("task_names", &task_names);
  module.def("default_options", [] {
    py::dict options;
    options["calibrate"] = defaults<CalibrateOptions>();
    options["plan"] = defaults<PlanOptions>();
    options["compress"] = defaults<CompressOptions>();
    options["certify"] = defaults<CertifyOptions>();
    options["evaluate"] = defaults<PerplexityOptions>();
    options["evaluate_tasks"] = defaults<TaskOptions>();
    options["generate"] = defaults<GenerateOptions>();
    options["load"] = defaults<EngineOptions>();
    return options;
  });
  py::class_<Model>(module, "Model")
      .def(py::init<const std::string&, const py::dict&>())
      .def_property_readonly("has_encoder", &Model::has_encoder)
      .def("generate", &Model::generate)
      .def("logits", &Model::logits)
      .def("tokenize", &Model::tokenize)
      .def("detokenize", &Model::detokenize);
}

}  // namespace trine::python
