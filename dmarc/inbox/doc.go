// Package inbox watches the places where reports arrive, and hands each mail,
// file or upload to a function, which acknowledges it by returning nil:
//
//	source, err := inbox.Maildir("/var/mail/dmarc", inbox.FileConfig{After: inbox.Move})
//	…
//	err = inbox.Watch(ctx, func(ctx context.Context, m *inbox.Message) error {
//		return reports.Read(m.Body, keep)
//	}, inbox.Options{}, source)
//
// Directories, Maildirs, mbox files, POP3, Microsoft Graph, Gmail and uploads over
// HTTP are sources of this package. The packages imap, s3 and smtp below it have
// those that need libraries of their own, so that programs link what they use.
//
// # Acknowledgement
//
// What the Handler returns decides what becomes of an input:
//
//   - nil: it is done. It moves, is deleted or flagged as configured, its sender is
//     told that it was taken, and it is not handed out again.
//   - an error with a [dmarc.Error] in its chain, as the packages reports, unpack,
//     tlsrpt and failure return for bad input: it is refused for that reason. It
//     moves to the place of refused inputs, or its sender is told why.
//   - any other error, such as that of a database: it waits. The input is handed
//     out again after a pause, which grows to some minutes, however often that
//     takes. The others go on, except behind it in an mbox, which is read in order.
//
// Nothing is acknowledged before the Handler returned. After a crash in between an
// input is handed out once more, or the few that are acknowledged together, so that a
// Handler sees each input at least once: one that keeps reports recognises them by
// organisation, domain and id.
//
// An input that cannot be read, because a server does not hand it out for a day, is
// acknowledged as refused without the Handler, and logged.
//
// A Handler is called by several goroutines: each source has its own, as has each
// folder of a mailbox and each client of a server. A panic of it is an error like
// others.
package inbox
