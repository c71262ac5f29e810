package unpack

import "github.com/dmarc-suite/dmarc-suite/dmarc"

// The warnings of this package, about the containers around a document.
const (
	CodeLeadingJunk      dmarc.Code = "leading_junk"             // bytes before the document or archive were dropped
	CodeGzipNoTrailer    dmarc.Code = "gzip_no_trailer"          // the checksum of a complete gzip or zlib stream is missing
	CodeGzipTrailingJunk dmarc.Code = "gzip_trailing_junk"       // bytes after a gzip or zlib stream were dropped
	CodeZipNoDirectory   dmarc.Code = "zip_no_directory"         // the central directory is damaged, local headers were used
	CodeZipPrefix        dmarc.Code = "zip_prefix"               // bytes before the first member of a zip were dropped
	CodeZipSuffix        dmarc.Code = "zip_suffix"               // bytes after the directory of a zip were dropped
	CodeMemberSkipped    dmarc.Code = "member_skipped"           // a member of an archive is no report
	CodeBase64Junk       dmarc.Code = "base64_junk"              // characters outside the alphabet were dropped
	CodeUndeclared       dmarc.Code = "encoding_undeclared"      // a transfer encoding was recognised though not declared
	CodeEncodingLies     dmarc.Code = "encoding_wrong"           // a declared transfer encoding was ignored: the content is not encoded
	CodeEncodingUnknown  dmarc.Code = "encoding_unknown"         // an unknown transfer encoding was read as if it were binary
	CodeUUInvalid        dmarc.Code = "uuencode_invalid"         // a line that is not uuencoded was dropped
	CodeQuotedPrintable  dmarc.Code = "quoted_printable_invalid" // an invalid quoted-printable sequence was kept as text
	CodeNoEndBoundary    dmarc.Code = "mail_no_end_boundary"     // a multipart ends without its closing boundary
	CodeBoundaryGuessed  dmarc.Code = "mail_boundary_guessed"    // the boundary of a multipart is missing or wrong
	CodeBrokenHeader     dmarc.Code = "mail_broken_header"       // lines of a mail header that are no header fields were dropped
)

// Codes returns every warning code of this package, in the order of documentation.
func Codes() []dmarc.Code {
	return []dmarc.Code{
		CodeLeadingJunk, CodeGzipNoTrailer, CodeGzipTrailingJunk, CodeZipNoDirectory, CodeZipPrefix,
		CodeZipSuffix, CodeMemberSkipped, CodeBase64Junk, CodeUndeclared, CodeEncodingLies,
		CodeEncodingUnknown, CodeUUInvalid, CodeQuotedPrintable, CodeNoEndBoundary, CodeBoundaryGuessed, CodeBrokenHeader,
	}
}
