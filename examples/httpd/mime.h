/* SPDX-License-Identifier: BSD-2-Clause */
/* mime.h - what kind of content a file has, by its name */
#ifndef HTTPD_MIME_H
#define HTTPD_MIME_H

const char *mime_type(const char *path);

#endif
