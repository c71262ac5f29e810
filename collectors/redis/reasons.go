package redis

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// Reason is why a server, a command or a script gave no answer, in one word. The
// set is closed, so that it can be the value of a label. The words for causes
// that all servers have in common are auth, canceled, denied, dns, panic,
// protocol, refused, reset, timeout, tls, unreachable and other; the constants
// are Redis' own. The empty reason stands for no error.
type Reason = collect.Reason

// The reasons of Redis' own.
const (
	ReasonBudget      Reason = "budget"      // there is more to do than the configuration allows
	ReasonBusy        Reason = "busy"        // a script keeps the server from answering
	ReasonDatabase    Reason = "database"    // the server has no database of that number
	ReasonLimit       Reason = "limit"       // the server has too many clients
	ReasonLoading     Reason = "loading"     // the server is still loading its data
	ReasonSentinel    Reason = "sentinel"    // no sentinel knows the master
	ReasonStale       Reason = "stale"       // the server is a replica that has lost its master and is not to answer
	ReasonUnsupported Reason = "unsupported" // the server does not know the command
)

// replyReasons are the first words of error replies.
var replyReasons = []struct {
	prefix string
	reason Reason
}{
	{"NOAUTH", collect.Auth},
	{"WRONGPASS", collect.Auth},
	{"ERR invalid password", collect.Auth},
	{"ERR Client sent AUTH", collect.Auth},
	{"ERR AUTH ", collect.Auth},
	{"DENIED", collect.Auth},         // by the protected mode: there is no password
	{"redis: nil", collect.Protocol}, // an answer without an answer
	{"LOADING", ReasonLoading},
	{"BUSY", ReasonBusy},
	{"MASTERDOWN", ReasonStale},
	{"NOPERM", collect.Denied},
	{"ERR DB index is out of range", ReasonDatabase},
	{"ERR invalid DB index", ReasonDatabase},
	{"ERR SELECT is not allowed in cluster mode", ReasonDatabase},
	{"ERR max number of clients", ReasonLimit},
	{"ERR unknown", ReasonUnsupported},
	{"ERR Unknown", ReasonUnsupported},
	{"ERR syntax", ReasonUnsupported},
	{"ERR This instance has cluster support disabled", ReasonUnsupported},
}

// A CredentialsError is the error of a password that could not be had, for
// example because its file is unreadable. Clients return it from their
// credentials provider.
type CredentialsError struct{ Err error }

func (e *CredentialsError) Error() string { return "read credentials: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *CredentialsError) Unwrap() error { return e.Err }

// ReasonOf returns the reason of an error of a Redis client.
func ReasonOf(err error) Reason {
	if err == nil {
		return collect.None
	}
	if strings.Contains(err.Error(), "all sentinels") {
		return ReasonSentinel // Before the causes it wraps, one for each sentinel.
	}
	if reply, ok := errors.AsType[redis.Error](err); ok {
		return reasonOfReply(reply.Error())
	}
	_, credentials := errors.AsType[*CredentialsError](err)
	switch {
	case credentials:
		return collect.Auth
	case errors.Is(err, redis.ErrClosed):
		return collect.Reset
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return collect.Timeout
	}
	if reason := collect.ReasonOf(err); reason != collect.Other {
		return reason
	}
	return reasonOfText(err.Error())
}

func reasonOfReply(text string) Reason {
	for _, r := range replyReasons {
		if strings.HasPrefix(text, r.prefix) {
			return r.reason
		}
	}
	return reasonOfText(text)
}

// reasonOfText is for errors of the client that have no type.
func reasonOfText(text string) Reason {
	switch {
	case strings.Contains(text, "can't parse"), strings.Contains(text, "invalid reply"),
		strings.Contains(text, "invalid bulk"), strings.Contains(text, "unexpected"), strings.Contains(text, "must be a multiple"):
		return collect.Protocol
	}
	return collect.Other
}

// redact returns the text of err without what a server may have quoted.
//
// A server that does not know HELLO or AUTH answers with the arguments it got,
// and these hold the password.
func redact(err error) string {
	text := err.Error()
	if at := strings.Index(text, "args beginning with"); at >= 0 {
		text = strings.TrimRight(text[:at], ", ")
		text = strings.TrimSuffix(text, ", with")
	}
	const limit = 300
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
