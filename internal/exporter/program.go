package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"

	"github.com/alecthomas/kingpin/v2"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Program is an exporter that can be a process of its own, or a Part of one.
type Program struct {
	App   *kingpin.Application
	Flags *Flags
	// Args makes arguments of the established exporter what App understands; nil
	// means that they are.
	Args func(app *kingpin.Application, args []string) []string
	// Before does what the arguments ask for before the program serves, or instead of
	// that: then done is true, and code the exit code. Nil means that there is nothing.
	Before func(command string, logger *slog.Logger, stdout, stderr io.Writer) (code int, done bool)
	// Start prepares what is served, by the flags that were parsed. It may be called
	// again after what it returned was closed.
	Start func(ctx context.Context, logger *slog.Logger) (Options, error)
	// Restrict is what Options.PagesOnly is until the program has started, which it
	// may not for a while as a part; nil restricts nobody. It waits for nothing.
	Restrict func() func(*http.Request) bool
}

// Parse is Parse for the application of the program.
func (p *Program) Parse(args []string, stdout, stderr io.Writer) (command string, code int, ok bool) {
	if p.Args != nil {
		args = p.Args(p.App, args)
	}
	return Parse(p.App, args, stdout, stderr)
}

// Run is the main of the program; it returns the exit code.
func (p *Program) Run(args []string, stdout, stderr io.Writer) int {
	command, code, ok := p.Parse(args, stdout, stderr)
	if !ok {
		return code
	}
	logger := p.Flags.Logger(stderr)
	if p.Before != nil {
		if code, done := p.Before(command, logger, stdout, stderr); done {
			return code
		}
	}
	if p.Serve(context.Background(), logger) != nil {
		return 1
	}
	return 0
}

// Checked prints the outcome of a check of the configuration, and returns the exit
// code.
func Checked(err error, stdout, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	fmt.Fprintln(stdout, "the configuration is valid")
	return 0
}

// Serve starts the program, and serves until ctx is done or a signal arrives. An
// error has been logged.
func (p *Program) Serve(ctx context.Context, logger *slog.Logger) error {
	o, err := p.Start(ctx, logger)
	if err != nil {
		logger.Error("cannot start", "err", err)
		return err
	}
	o.Logger = logger
	if err = errors.Join(Serve(ctx, p.Flags, o), o.close()); err != nil {
		logger.Error("stopped", withStack("err", err)...)
	}
	return err
}

// withStack are attributes of a log line, of which err is the last: if it is a
// panic, where it happened follows.
func withStack(args ...any) []any {
	err, _ := args[len(args)-1].(error)
	if p, ok := errors.AsType[*collect.PanicError](err); ok {
		args = append(args, "stack", string(p.Stack))
	}
	return args
}

// Part parses args, which are those of a process of its own, and returns the
// program as a part called name. What the flags of AddFlags say is for the whole
// process, so args may have none of them. The rest is as for Parse.
func (p *Program) Part(name string, args []string, stdout, stderr io.Writer) (part Part, code int, ok bool) {
	if err := p.checkPart(args); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p.App.Name, err)
		return Part{}, 2, false
	}
	command, code, ok := p.Parse(args, stdout, stderr)
	if ok && command != "" && command != p.served() {
		fmt.Fprintf(stderr, "%s: %s is not for a part of a process\n", p.App.Name, command)
		return Part{}, 2, false
	}
	return Part{Name: name, Flags: p.Flags, Start: p.Start, Restrict: p.Restrict}, code, ok
}

// served returns the command that serves, "" without commands.
func (p *Program) served() string {
	for _, c := range p.App.Model().Commands {
		if c.Default {
			return c.Name
		}
	}
	return ""
}

// checkPart finds flags that are not for a part. Other mistakes are found by Parse.
func (p *Program) checkPart(args []string) error {
	if p.Args != nil {
		args = p.Args(p.App, args)
	}
	parsed, err := p.App.ParseContext(args)
	if err != nil {
		return nil
	}
	for _, e := range parsed.Elements {
		f, ok := e.Clause.(*kingpin.FlagClause)
		if !ok {
			continue
		}
		switch name := f.Model().Name; {
		case slices.Contains(p.Flags.names, name):
			return fmt.Errorf("--%s is for the whole process: give it to the program itself, not to a part", name)
		case name == "config.check":
			return errors.New("--config.check is not for a part of a process")
		}
	}
	return nil
}

// share makes f, the flags of a part, say what the flags of the process say.
func (f *Flags) share(process *Flags) {
	*f.web.WebConfigFile = *process.web.WebConfigFile // Users has a pointer to it.
	own := *f
	*f = *process
	f.name, f.description, f.stats, f.ignored = own.name, own.description, own.stats, own.ignored
}
