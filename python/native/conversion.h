// Public structs to and from Python's dicts, by the lists of fields.h.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <trine/certify.h>
#include <trine/result.h>
#include "inspection_fields.h"

namespace trine::python {

namespace py = pybind11;

struct IgnoreField {
  void operator()(const char*, auto&) const {}
};

/// A struct with a list in fields.h.
template <class T>
concept HasFields = requires(T& value) {
  visit_fields(value, IgnoreField{});
};

template <class T>
py::object to_python(T& value) {
  return py::cast(value);
}

template <HasFields T>
py::object to_python(T& value);

template <HasFields T>
py::object to_python(std::vector<T>& values) {
  py::list list;
  for (T& value : values) list.append(to_python(value));
  return list;
}

template <HasFields T>
py::object to_python(std::optional<T>& value) {
  return value ? to_python(*value) : py::none();
}

/// Figures per bound of a certificate, by the bound's name.
template <class Number>
py::object to_python(std::array<Number, kCertificateBounds.size()>& figures) {
  py::dict dict;
  for (std::size_t i = 0; i < figures.size(); ++i) dict[kCertificateBounds[i]] = figures[i];
  return dict;
}

template <HasFields T>
py::object to_python(T& value) {
  py::dict dict;
  visit_fields(value,
               [&dict](const char* name, auto& member) { dict[name] = to_python(member); });
  return dict;
}

/// Options from a dict that may lack some of them; the others keep their C++ defaults. TypeError
/// names an option of the wrong type, or one that there is not.
template <HasFields T>
T options_from(const py::dict& given) {
  T options{};
  std::set<std::string> known;  // some names stand in two structs
  visit_fields(options, [&](const char* name, auto& member) {
    if (!given.contains(name)) return;
    known.insert(name);
    const py::object value = given[name];
    try {
      member = value.cast<std::remove_reference_t<decltype(member)>>();
    } catch (const py::cast_error&) {
      throw py::type_error(std::string(name) + ": " + std::string(py::repr(value)) +
                           " has the wrong type, or is out of range");
    }
  });
  if (known.size() != given.size()) throw py::type_error("options that nobody knows");
  return options;
}

/// Raises trine.Error with code and sentence. Needs the interpreter's lock, as all of this does.
[[noreturn]] void raise(const Error& error);

/// The value, or trine.Error.
template <class T>
T unwrap(Result<T>&& result) {
  if (!result) raise(result.error());
  return std::move(*result);
}

}  // namespace trine::python
