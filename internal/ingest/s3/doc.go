// Package s3 reads reports from a bucket of an object storage with the API of
// Amazon S3: mails that Amazon SES puts there, or whatever else is uploaded.
//
// Objects are known by key and ETag, which the transaction that counts them
// remembers. An object is listed, fetched and delivered, and only what deliver
// confirmed is then moved, deleted or tagged. Each of these asks the server to
// act on the ETag that was counted, so that an object that was written again
// meanwhile stays, and is read as another one.
//
// Nothing that the server sends is trusted: requests have deadlines, answers
// and listings have limits, and objects are fetched by size. What the server,
// the network, the clock or the credentials break is no fault of an object.
package s3
