// The one list of commands. To add one: write <name>_command.cpp, declare it and add its row.
#include "cli/commands.h"

#include <array>

namespace trine::cli {

DeclareCommand declare_inspect;
DeclareCommand declare_calibrate;
DeclareCommand declare_plan;
DeclareCommand declare_compress;
DeclareCommand declare_verify;
DeclareCommand declare_eval;
DeclareCommand declare_compare;
DeclareCommand declare_certify;
DeclareCommand declare_generate;
DeclareCommand declare_chat;
DeclareCommand declare_bench;
DeclareCommand declare_serve;

namespace {

constexpr std::array kCommands = {
    Command{"inspect", "Show what is in a model directory", declare_inspect},
    Command{"calibrate", "Run text through a model and keep statistics of its inputs",
            declare_calibrate},
    Command{"plan", "Decide bits and ranks of every matrix within a budget", declare_plan},
    Command{"compress", "Make a packed model out of a checkpoint", declare_compress},
    Command{"verify", "Check that a model is intact", declare_verify},
    Command{"eval", "Measure perplexity, closeness to the original, scores of tasks",
            declare_eval},
    Command{"compare", "Measure how far a model is from its original, and fail if too far",
            declare_compare},
    Command{"certify", "Bound what packing can change, and check it on text", declare_certify},
    Command{"generate", "Continue a prompt", declare_generate},
    Command{"chat", "Talk with a model", declare_chat},
    Command{"serve", "Serve a model over HTTP, in OpenAI's dialect", declare_serve},
    Command{"bench",
            "Time a model, the kernels, a layer of experts or compression beside the machine's "
            "limits",
            declare_bench},
};

}  // namespace

std::span<const Command> commands() noexcept { return kCommands; }

}  // namespace trine::cli
