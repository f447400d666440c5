#include "mixture.h"

#include <algorithm>
#include <cmath>

namespace trine::examples {
namespace {

constexpr double kWeightDeviation =
    24.0;                          ///< large, so that rounding hurts: as in a wide model
constexpr double kQuiet = 1.5;     ///< deviations below zero where a neuron is silent
constexpr double kAversion = 0.1;  ///< of a router to the features of other experts
constexpr double kRouterNoise = 0.02;
constexpr double kExpertRate = 0.8, kRouterRate = 0.5;
constexpr std::size_t kBatch = 512;
constexpr int kMostSteps = 3000;
constexpr double kHinge = 1.0;
/// Mean margin of frequent features where training ends. Before the hinge takes them out of the
/// gradient: later, rare ones catch up and the theory's ratio of margins is gone.
constexpr double kEnoughMargin = 0.5;

/// One expert whose output is 0 for every token, without neurons that are copies of each other:
/// twins would round alike and their errors cancel.
std::vector<double> initial_expert(std::size_t feature, double deviation,
                                   base::Random& random) {
  std::vector<double> weights(kNeurons * kTokens);
  std::array<double, 2> open{};  // weights on the own feature, by the sign of the output
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double draw = std::fabs(random.normal());
    const bool is_own = i % kTokens == feature;
    weights[i] = deviation * (is_own ? draw : -kQuiet - draw);
    if (is_own) open[2 * i / weights.size()] += weights[i];
  }
  for (std::size_t i = weights.size() / 2 + feature; i < weights.size(); i += kTokens) {
    weights[i] *= open[0] / open[1];
  }
  return weights;
}

Mixture initial(double inflation, base::Random& random) {
  Mixture mixture;
  for (std::size_t expert = 0; expert < kExperts; ++expert) {
    const std::size_t feature = expert % kFeatures;
    const double factor = expert == kWideExpert ? inflation : 1.0;
    mixture.weights.push_back(initial_expert(feature, kWeightDeviation * factor, random));
    auto& router = mixture.routers.emplace_back();
    for (std::size_t token = 0; token < kTokens; ++token) {
      router[token] = kRouterNoise * random.normal();
      if (token < kFeatures) router[token] += token == feature ? 1.0 : -kAversion;
    }
  }
  return mixture;
}

/// Output of one expert for one token, before its gate.
double expert_output(const std::vector<double>& weights, std::size_t token) {
  double sum = 0.0;
  for (std::size_t neuron = 0; neuron < kNeurons; ++neuron) {
    sum += output_weight(neuron) * std::max(weights[neuron * kTokens + token], 0.0);
  }
  return sum;
}

/// Adds the negative gradient of the hinge loss of one sequence below the margin.
void add_gradient(const Mixture& mixture, const Sequence& sequence,
                  const std::array<Choice, kExperts>& choices, Mixture& gradient) {
  for (std::size_t expert = 0; expert < kExperts; ++expert) {
    const Choice& choice = choices[expert];
    double mean = 0.0;
    for (std::size_t i = 0; i < kTaken; ++i) mean += choice.gates[i] * choice.outputs[i];
    for (std::size_t i = 0; i < kTaken; ++i) {
      const double pull = sequence.label() * choice.gates[i];
      gradient.routers[expert][choice.tokens[i]] += pull * (choice.outputs[i] - mean);
      for (std::size_t neuron = 0; neuron < kNeurons; ++neuron) {
        const std::size_t at = neuron * kTokens + choice.tokens[i];
        if (mixture.weights[expert][at] <= 0.0) continue;
        gradient.weights[expert][at] += pull * output_weight(neuron);
      }
    }
  }
}

/// One step on a fresh batch; the mean margin of its frequent sequences before the step.
double step(Mixture& mixture, double rare_share, base::Random& random) {
  Mixture gradient;
  gradient.weights.assign(kExperts, std::vector<double>(kNeurons * kTokens, 0.0));
  gradient.routers.assign(kExperts, {});
  double margin = 0.0, count = 0.0;
  for (std::size_t i = 0; i < kBatch; ++i) {
    const std::size_t side = random.next() % 2 * 2;
    const Sequence sequence =
        random_sequence(side + (random.uniform() < rare_share ? 1 : 0), random);
    std::array<Choice, kExperts> choices;
    double output = 0.0;
    for (std::size_t expert = 0; expert < kExperts; ++expert) {
      choices[expert] = mixture.choose(expert, sequence);
      for (std::size_t t = 0; t < kTaken; ++t) {
        output += choices[expert].gates[t] * choices[expert].outputs[t];
      }
    }
    const double reached = sequence.label() * output;
    if (!is_rare(sequence.feature)) margin += reached, count += 1.0;
    if (reached < kHinge) add_gradient(mixture, sequence, choices, gradient);
  }
  const double size = static_cast<double>(kBatch);
  for (std::size_t expert = 0; expert < kExperts; ++expert) {
    for (std::size_t i = 0; i < kNeurons * kTokens; ++i) {
      mixture.weights[expert][i] += kExpertRate / size * gradient.weights[expert][i];
    }
    for (std::size_t i = 0; i < kTokens; ++i) {
      mixture.routers[expert][i] += kRouterRate / size * gradient.routers[expert][i];
    }
  }
  return margin / std::max(count, 1.0);
}

}  // namespace

Sequence random_sequence(std::size_t feature, base::Random& random) {
  Sequence sequence{.feature = feature};
  for (std::size_t& token : sequence.tokens) {
    token = kFeatures + random.next() % (kTokens - kFeatures);
  }
  sequence.tokens[random.next() % kLength] = feature;
  return sequence;
}

std::vector<double> Mixture::router_norms() const {
  std::vector<double> norms;
  for (const auto& router : routers) {
    double sum = 0.0;
    for (const double value : router) sum += value * value;
    norms.push_back(std::sqrt(sum));
  }
  return norms;
}

Choice Mixture::choose(std::size_t expert, const Sequence& sequence) const {
  const auto& router = routers[expert];
  std::array<std::size_t, kLength> tokens = sequence.tokens;
  std::partial_sort(tokens.begin(), tokens.begin() + kTaken, tokens.end(),
                    [&](std::size_t a, std::size_t b) { return router[a] > router[b]; });
  Choice choice;
  double sum = 0.0;
  for (std::size_t i = 0; i < kTaken; ++i) {
    choice.tokens[i] = tokens[i];
    choice.gates[i] = std::exp(router[tokens[i]] - router[tokens[0]]);
    choice.outputs[i] = expert_output(weights[expert], tokens[i]);
    sum += choice.gates[i];
  }
  for (double& gate : choice.gates) gate /= sum;
  return choice;
}

double Mixture::output(const Sequence& sequence) const {
  double sum = 0.0;
  for (std::size_t expert = 0; expert < kExperts; ++expert) {
    const Choice choice = choose(expert, sequence);
    for (std::size_t i = 0; i < kTaken; ++i) sum += choice.gates[i] * choice.outputs[i];
  }
  return sum;
}

Training train(double rare_share, double inflation, std::uint64_t seed) {
  base::Random random(seed);
  Training training{.mixture = initial(inflation, random)};
  const std::vector<double> before = training.mixture.router_norms();
  while (training.steps < kMostSteps) {
    ++training.steps;
    if (step(training.mixture, rare_share, random) >= kEnoughMargin) break;
  }
  training.norm_changes = training.mixture.router_norms();
  for (std::size_t i = 0; i < kExperts; ++i) training.norm_changes[i] -= before[i];
  return training;
}

}  // namespace trine::examples
