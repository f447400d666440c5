// trine certify
#include <trine/certify.h>

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/progress_display.h"
#include "cli/shared_options.h"

namespace trine::cli {
namespace {

struct CertifyCommandOptions {
  std::string model{};
  CertifyOptions certify{};
};

/// {"step": …, "norm": …, …}
template <typename Number>
Json per_bound(const PerBound<Number>& values) {
  Json json = Json::object();
  for (std::size_t i = 0; i < values.size(); ++i) json[kCertificateBounds[i]] = values[i];
  return json;
}

Json to_json(const ChangeReport& change) {
  return {{"tokens", change.tokens},
          {"mean_bound", per_bound(change.mean_bound)},
          {"largest_bound", per_bound(change.largest_bound)},
          {"largest_ratio", per_bound(change.largest_ratio)},
          {"exceeded", per_bound(change.exceeded)},
          {"mean_observed", change.mean_observed},
          {"largest_observed", change.largest_observed},
          {"mean_size", change.mean_size}};
}

Json to_json(const DecisionReport& decision) {
  return {{"tokens", decision.tokens},
          {"certified", per_bound(decision.certified)},
          {"broken", per_bound(decision.broken)},
          {"flips", decision.flips}};
}

Json to_json(const AgreementReport& agreement) {
  return {{"mean", agreement.mean},
          {"drawn_agreeing", agreement.drawn_agreeing},
          {"at_least_binomial", agreement.at_least_binomial},
          {"at_least_hoeffding", agreement.at_least_hoeffding},
          {"at_least", agreement.at_least}};
}

Json to_json(const CertificateReport& report) {
  Json json = {{"window", report.window},
               {"probability", report.probability},
               {"tokens", report.tokens},
               {"windows", report.windows},
               {"violations", report.violations},
               {"windows_exceeding", report.windows_exceeding},
               {"rows_per_window", report.rows_per_window},
               {"groups", report.groups},
               {"clipped_groups", report.clipped_groups},
               {"row_outputs", report.row_outputs},
               {"row_exceeded", per_bound(report.row_exceeded)},
               {"layers", Json::array()}};
  for (const CertifiedLayer& layer : report.layers) {
    json["layers"].push_back({{"attention", to_json(layer.attention)},
                              {"experts", to_json(layer.experts)},
                              {"stream", to_json(layer.stream)},
                              {"routing_local", to_json(layer.routing_local)},
                              {"routing_next", to_json(layer.routing_next)},
                              {"routing_full", to_json(layer.routing_full)}});
  }
  json["logits_local"] = to_json(report.logits_local);
  json["logits_full"] = to_json(report.logits_full);
  json["top1_local"] = to_json(report.top1_local);
  json["top1_full"] = to_json(report.top1_full);
  json["top1_agreement"] = to_json(report.top1_agreement);
  json["routing_agreement"] = to_json(report.routing_agreement);
  json["seconds"] = report.seconds;
  json["peak_rss_bytes"] = report.peak_rss_bytes;
  return json;
}

std::string line_of(const std::string& name, const ChangeReport& change) {
  std::string line =
      fmt::format("  {:<20} {:>9.4g} {:>9.4g}", name, change.mean_size, change.mean_observed);
  for (const double bound : change.mean_bound) line += fmt::format(" {:>9.4g}", bound);
  return line + fmt::format("   {:.3f}\n", change.largest_ratio[1]);
}

std::string line_of(const std::string& name, const DecisionReport& decision) {
  if (decision.tokens == 0) return {};
  std::string line = fmt::format("  {:<20}", name);
  for (const double share : decision.certified)
    line += fmt::format(" {:>8.2f}%", 100.0 * share);
  return line + fmt::format(" {:>8.2f}%\n", 100.0 * static_cast<double>(decision.flips) /
                                                static_cast<double>(decision.tokens));
}

/// A certificate nobody can use should say so itself.
std::string verdict_on(const CertificateReport& report) {
  const PerBound<double>& shares = report.top1_full.certified;
  const double carried = std::max(shares[1], shares[3]);
  return fmt::format("end to end         {}\n",
                     carried == 0.0
                         ? "VACUOUS: bounds carried through all layers are sound and certify "
                           "no token"
                         : fmt::format("top-1 proven unchanged for {:.2f} % of tokens",
                                       100.0 * carried)) +
         fmt::format(
             "at its distance    top-1 holds for {:.2f} % of tokens in every state no "
             "farther away\n",
             100.0 * shares[4]);
}

std::string line_of(const std::string& name, const AgreementReport& agreement,
                    std::uint64_t windows) {
  return fmt::format("  {:<20} {:>8.2f}% {:>8.2f}% {:>8.2f}% {:>8.2f}%   {} of {}\n", name,
                     100.0 * agreement.mean, 100.0 * agreement.at_least,
                     100.0 * agreement.at_least_hoeffding, 100.0 * agreement.at_least_binomial,
                     agreement.drawn_agreeing, windows);
}

/// What follows for windows that were not seen.
std::string agreements_of(const CertificateReport& report) {
  return fmt::format(
             "other windows, {:g} %         seen  at least hoeffding  binomial   from\n",
             100.0 * (1.0 - report.probability)) +
         line_of("top-1 unchanged", report.top1_agreement, report.windows) +
         line_of("all routing the same", report.routing_agreement, report.windows);
}

std::string changes_of(const CertificateReport& report) {
  std::string text =
      "change (mean over tokens)    size  observed    ≤ step    ≤ norm    ≤ prob   ≤ block   "
      "≤ state   worst observed/norm\n";
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    const CertifiedLayer& layer = report.layers[i];
    text += line_of(fmt::format("{} attention, local", i), layer.attention);
    text += line_of(fmt::format("{} experts, local", i), layer.experts);
    text += line_of(fmt::format("{} stream, all", i), layer.stream);
  }
  text += line_of("logits, local", report.logits_local);
  return text + line_of("logits, all", report.logits_full);
}

std::string decisions_of(const CertificateReport& report) {
  std::string text =
      "proven unchanged             step      norm      prob     block     state   changed\n";
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    const CertifiedLayer& layer = report.layers[i];
    text += line_of(fmt::format("{} routing, local", i), layer.routing_local);
    text += line_of(fmt::format("{} routing, next", i), layer.routing_next);
    text += line_of(fmt::format("{} routing, all", i), layer.routing_full);
  }
  text += line_of("top-1, local", report.top1_local);
  return text + line_of("top-1, all", report.top1_full);
}

std::string describe(const CertificateReport& report) {
  const double row_rate = report.row_outputs == 0
                              ? 0.0
                              : static_cast<double>(report.row_exceeded[2]) /
                                    static_cast<double>(report.row_outputs);
  return fmt::format(
             "violations         {} of certain bounds\n"
             "{}"
             "  tokens           {} in {} windows of {}\n"
             "  error model      {:.3g} of {} matrix outputs above the bound for one, p = {}\n"
             "                   {} of {} windows with anything above the bound for all "
             "{:.3g}\n"
             "  clipping         {} of {} groups have an error above half a step\n",
             report.violations, verdict_on(report), report.tokens, report.windows,
             report.window, row_rate, report.row_outputs, report.probability,
             report.windows_exceeding, report.windows, report.rows_per_window,
             report.clipped_groups, report.groups) +
         agreements_of(report) + changes_of(report) + decisions_of(report) +
         fmt::format("time               {}, peak memory {}", format_duration(report.seconds),
                     format_bytes(static_cast<double>(report.peak_rss_bytes)));
}

Status run_certify(const CertifyCommandOptions& options, Output& output) {
  Result<CertificateReport> report = [&] {
    ProgressDisplay display("certifying");
    return certify(options.model, options.certify, display.callback());
  }();
  if (!report) return tl::unexpected<Error>(report.error());
  if (report->violations > 0) {
    return tl::unexpected(Error{
        ErrorCode::kMalformed,
        fmt::format("the certificate does not hold: {} observed changes exceed bounds that are "
                    "certain; the weights are damaged or this is a bug in Trine",
                    report->violations)});
  }
  output.result(to_json(*report), describe(*report));
  return {};
}

}  // namespace

DeclareCommand declare_certify;
std::function<Status(Output&)> declare_certify(CLI::App& app) {
  const auto options = std::make_shared<CertifyCommandOptions>();
  CertifyOptions& certify = options->certify;
  add_model_argument(app, options->model);
  app.add_option("--reference", certify.reference, "The original the model was made from")
      ->required();
  app.add_option("--text", certify.text_file, "UTF-8 text file")->required();
  app.add_option("--window", certify.window, "Tokens run together")->capture_default_str();
  app.add_option("--probability", certify.probability,
                 "With which a probabilistic bound may fail")
      ->capture_default_str();
  app.add_option("--tokens", certify.tokens, "Use this many tokens of the text (default: all)");
  add_engine_options(app, certify.engine);
  add_json_option(app);
  app.footer(
      "Examples:\n"
      "  trine certify tiny-3bit --reference models/tiny-mixtral \\\n"
      "      --text models/tiny-mixtral/sample.txt --window 256 --tokens 2048\n"
      "local: the packed block gets the original's hidden states. next: experts, and the\n"
      "attention after them. all: everything is packed. Bounds are certain, but prob, which\n"
      "holds with the stated probability if errors are independent and without bias. block:\n"
      "packed blocks are run on the original's states; state: everything but the decision is.\n"
      "other windows: what holds of more text of the kind, if windows are independent draws.\n"
      "Exit code 1 when a certain bound is exceeded. docs/certificate.md derives the bounds.");
  return [options](Output& output) { return run_certify(*options, output); };
}

}  // namespace trine::cli
