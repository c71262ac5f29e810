package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Input is one access log.
type Input struct {
	// File is the path of a log file, or
	File string
	// Listen is the address of syslog datagrams: udp://127.0.0.1:5514 or unixgram:///run/nginx.sock.
	Listen string
	// Format is the text of nginx's log_format, or FormatJSON; empty means FormatKeyValue.
	Format string
}

// name is the value of the label input.
func (i Input) name() string {
	if i.File != "" {
		return i.File
	}
	return i.Listen
}

// AccessLogConfig configures an AccessLog. Inputs is the only field that must be set.
type AccessLogConfig struct {
	Inputs []Input
	// Servers are the values of the label server besides "other". Empty takes
	// $server_name, which nginx's configuration bounds, as it comes, within
	// MaxSeries; the client's $host is only ever matched against this list.
	Servers []string
	// Routes are tried in order on the path; the first match names the route.
	// A $route of the log format, from a map in nginx's configuration, wins.
	Routes []Route
	// Buckets are the upper bounds in seconds of the duration histograms; nil
	// means a default that contains 0.05, 0.1, 0.3, 0.5, 1, 2 and 5.
	Buckets []float64
	// NativeHistograms adds native buckets to both histograms.
	NativeHistograms bool
	// MaxSeries bounds the series of all metrics that have a server or a
	// route; 0 means 2000. What is beyond it is counted as "other".
	MaxSeries int
	// StateFile keeps file offsets and counts across restarts; empty keeps
	// nothing, and files are then read from their end.
	StateFile string
	// FromStart reads a file that the state does not know from its start.
	FromStart bool
	// ReceiveBuffer is the socket buffer of datagram inputs in bytes; 0 means 8 MiB.
	ReceiveBuffer int
	// Poll is how often files are looked at; 0 means 250 ms.
	Poll time.Duration
	// Logger gets changes of state; nil discards. No line of a log reaches it.
	Logger *slog.Logger
}

// AccessLog counts the lines of access logs. Run reads them; collecting is
// safe at any time and from any goroutine.
type AccessLog struct {
	config  AccessLogConfig
	inputs  []*input
	lines   atomic.Uint64
	servers map[string]bool
	metrics *collect.Table[counts]

	mu        sync.Mutex // guards table, dirty and what the inputs count
	table     *table
	dirty     bool
	unsaved   bool   // the last attempt to save failed; used by Run alone
	committed *state // what was saved last; nil without a state file
}

// input is an Input with its compiled format and its counts, which AccessLog.mu guards.
type input struct {
	Input
	label    string
	format   *format
	files    *fileSet // nil for datagrams
	received uint64
	refused  map[string]uint64
	socket   *datagrams // nil for files
}

// NewAccessLog compiles the configuration, loads the state and opens the
// sockets. Errors name the input or route they are about.
func NewAccessLog(config AccessLogConfig) (*AccessLog, error) {
	a, err := prepare(config)
	if err != nil {
		return nil, err
	}
	if err := a.open(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// Check reports what NewAccessLog would refuse, without opening a socket or
// reading the state.
func (c AccessLogConfig) Check() error {
	_, err := prepare(c)
	return err
}

// prepare does all that needs no file and no socket.
func prepare(config AccessLogConfig) (*AccessLog, error) {
	if len(config.Inputs) == 0 {
		return nil, errors.New("no access log is configured")
	}
	if config.Buckets == nil {
		config.Buckets = defaultBuckets
	}
	if !slices.IsSorted(config.Buckets) {
		return nil, errors.New("buckets are not in increasing order")
	}
	if config.MaxSeries <= 0 {
		config.MaxSeries = 2000
	}
	if config.ReceiveBuffer <= 0 {
		config.ReceiveBuffer = 8 << 20
	}
	if config.Poll <= 0 {
		config.Poll = 250 * time.Millisecond
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	a := &AccessLog{config: config, servers: map[string]bool{}, metrics: collect.NewTable(accessLogRows(), nil)}
	for _, server := range config.Servers {
		a.servers[server] = true
	}
	var err error
	if a.table, err = newTable(config); err != nil {
		return nil, err
	}
	for _, in := range config.Inputs {
		if err := a.addInput(in); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// addInput compiles one input.
func (a *AccessLog) addInput(in Input) error {
	if in.Format == "" {
		in.Format = FormatKeyValue
	}
	if (in.File == "") == (in.Listen == "") {
		return errors.New("an access log is either a file or an address to listen on")
	}
	f, err := compileFormat(in.Format)
	if err != nil {
		return fmt.Errorf("%s: %w", in.name(), err)
	}
	for _, known := range a.inputs {
		if known.label == in.name() {
			return fmt.Errorf("%s: the access log is configured twice", in.name())
		}
	}
	n := &input{Input: in, label: in.name(), format: f, refused: map[string]uint64{}}
	if in.File != "" {
		n.files = newFileSet(in.File, a.config)
	} else if _, err := parseListen(in.Listen); err != nil {
		return fmt.Errorf("%s: %w", in.Listen, err)
	}
	a.inputs = append(a.inputs, n)
	return nil
}

// open opens the sockets and loads the state.
func (a *AccessLog) open() error {
	for _, in := range a.inputs {
		for _, warning := range in.format.warnings {
			a.config.Logger.Warn("the log format is unsafe", "input", in.label, "reason", warning)
		}
		if in.Listen == "" {
			continue
		}
		var err error
		if in.socket, err = listen(in.Listen, a.config); err != nil {
			return fmt.Errorf("%s: %w", in.Listen, err)
		}
	}
	if a.config.StateFile == "" {
		return nil
	}
	if err := a.load(); err != nil {
		return err
	}
	a.committed = a.snapshot()
	return nil
}

// Lines returns the number of lines received from all inputs since New or,
// with a state file, since the state began.
func (a *AccessLog) Lines() uint64 { return a.lines.Load() }

// Run reads all inputs until ctx ends, then saves the state and closes them. A
// panic is an error, and nothing more is read or saved.
func (a *AccessLog) Run(ctx context.Context) error {
	a.begin()
	var work []func(context.Context)
	for _, in := range a.inputs {
		work = append(work, func(ctx context.Context) {
			if in.files != nil {
				in.files.run(ctx, func(chunk []byte) { a.feed(in, chunk) }, func() { a.refuse(in, refusedTooLong) })
			} else {
				in.socket.run(ctx, func(line []byte) { a.feed(in, line) })
			}
		})
	}
	if a.config.StateFile != "" {
		work = append(work, a.saveUntil)
	}
	err := collect.Together(ctx, work...)
	if err == nil && a.config.StateFile != "" {
		err = a.save()
	}
	a.close()
	return err
}

// begin opens the files and saves where reading begins before a line is
// counted: whenever the process is killed, the next one knows what is unread.
func (a *AccessLog) begin() {
	for _, in := range a.inputs {
		if in.files != nil {
			in.files.begin()
		}
	}
	if a.config.StateFile == "" {
		return
	}
	a.mu.Lock()
	a.dirty = true
	a.mu.Unlock()
	a.saveOrSay()
}

func (a *AccessLog) close() {
	for _, in := range a.inputs {
		if in.socket != nil {
			in.socket.close()
		}
		if in.files != nil {
			in.files.close()
		}
	}
}

// feed counts every line of chunk, which ends with a line.
func (a *AccessLog) feed(in *input, chunk []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := uint64(0)
	for len(chunk) > 0 {
		line := chunk
		if end := bytes.IndexByte(chunk, '\n'); end >= 0 {
			line, chunk = chunk[:end], chunk[end+1:]
		} else {
			chunk = nil
		}
		n++
		if refusal := a.table.count(in.format, line, a.servers); refusal != "" {
			in.refused[refusal]++
		}
	}
	in.received += n
	a.lines.Add(n)
	a.dirty = true
}

// refuse counts a line that is not looked at.
func (a *AccessLog) refuse(in *input, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	in.received++
	in.refused[reason]++
	a.lines.Add(1)
	a.dirty = true
}
