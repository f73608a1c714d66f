# SPDX-License-Identifier: BSD-2-Clause
"""cases_protocol.py - requests of all kinds, good and bad, and what HTTP/1.1 says about them"""
import email.utils
import time


def keep_alive_until_close(t):
    with t.server.connect() as c:
        for _ in range(3):
            r = c.get('/hello.txt')
            assert (r.status, r.body, r['connection']) == (200, b'Hello, World!\n', None)
        r = c.get('/hello.txt', 'Connection: close')
        assert (r.status, r['connection']) == (200, 'close')
        assert c.ended()


def http_1_0(t):
    with t.server.connect() as c:
        c.send('GET /hello.txt HTTP/1.0\r\n\r\n')
        r = c.response()
        assert (r.status, r['connection'], r.body) == (200, 'close', b'Hello, World!\n')
        assert c.ended()
    with t.server.connect() as c:
        for _ in range(2):
            r = c.get('/hello.txt', 'Connection: keep-alive', version='1.0')
            assert (r.status, r['connection']) == (200, 'keep-alive')
        assert c.open()


def date_is_now(t):
    r = t.server.get('/hello.txt')
    when = email.utils.parsedate_to_datetime(r['date']).timestamp()
    assert abs(when - time.time()) < 5, r['date']
    assert r['date'].endswith(' GMT') and len(r['date']) == 29


def pipelining_100_in_one_segment(t):
    names = [f'/small/{i}.txt' for i in range(100)]
    with t.server.connect() as c:
        text = ''.join(c.request(name) for name in names).encode()
        assert c.socket.send(text) == len(text)
        for i in range(100):
            r = c.response()
            assert (r.status, r.body) == (200, b'%d\n' % i)
        assert c.open()


def pipelining_of_all_sizes_and_methods(t):
    """Large answers between small ones, errors that do not end the connection, and one that does."""
    wanted = [('GET', '/size/20000', 200), ('HEAD', '/size/3000000', 200), ('GET', '/hello.txt', 200),
              ('GET', '/none', 404), ('GET', '/size/3000000', 200), ('POST', '/hello.txt', 405), ('GET', '/dir', 301),
              ('GET', '/size/16384', 200), ('GET', '/size/16385', 200)]
    with t.server.connect() as c:
        c.send(''.join(c.request(target, method=method) for method, target, _ in wanted * 3) + 'rubbish\r\n\r\n')
        for method, target, status in wanted * 3:
            r = c.response(body=method != 'HEAD')
            assert r.status == status, (target, r.status)
            if status == 200 and method == 'GET' and target.startswith('/size/'):
                assert r.body == t.site.content(int(target[6:])), target
        assert c.response().status == 400
        assert c.ended()


def request_byte_by_byte(t):
    with t.server.connect() as c:
        for _ in range(2):
            for char in c.request('/hello.txt', 'If-None-Match: "x"', 'Range: bytes=0-4'):
                c.send(char)
            r = c.response()
            assert (r.status, r.body) == (206, b'Hello')


def head_has_no_body(t):
    with t.server.connect() as c:
        for target in ['/hello.txt', '/size/16384', '/size/3000000', '/listing/', '/none']:
            got, head = c.get(target), c.get(target, method='HEAD')
            got.headers.pop('date')
            head.headers.pop('date')
            assert (got.status, got.headers) == (head.status, head.headers)
            assert len(got.body) == int(got['content-length'])
        assert c.open()


def ranges(t):
    for size in (100, 20000, 3000000):
        whole = t.site.content(size)
        last = size - 1
        with t.server.connect() as c:
            for text, first, end in [
                    ('0-0', 0, 0), ('0-', 0, last), ('10-19', 10, 19), (f'{last}-', last, last), ('-1', last, last),
                    ('-50', size - 50, last), (f'-{size * 2}', 0, last), (f'5-{size * 9}', 5, last),
                    ('7-99999999999999999999999', 7, last)]:
                r = c.get(f'/size/{size}', f'Range: bytes={text}')
                assert r.status == 206, (size, text, r.status)
                assert r['content-range'] == f'bytes {first}-{end}/{size}', (text, r['content-range'])
                assert r.body == whole[first:end + 1], text
            for text in (f'{size}-', f'{size}-{size + 5}', '-0', '99999999999999999999999-'):
                r = c.get(f'/size/{size}', f'Range: bytes={text}')
                assert (r.status, r['content-range'], r.body) == (416, f'bytes */{size}', b''), text
            for text in ('bytes=5-4', 'bytes=-', 'bytes=a-b', 'lines=0-1', 'bytes=0-1,3-4', 'bytes=1', 'bytes=', '0-1'):
                r = c.get(f'/size/{size}', f'Range: {text}')
                assert (r.status, r.body == whole, r['content-range']) == (200, True, None), text
    r = t.server.get('/size/0', 'Range: bytes=0-')
    assert (r.status, r['content-range']) == (416, 'bytes */0')


def range_only_of_what_the_client_has(t):
    with t.server.connect() as c:
        plain = c.get('/hello.txt')
        etag, date = plain['etag'], plain['last-modified']
        for condition, status in [(etag, 206), (date, 206), ('"other"', 200), ('W/' + etag, 200),
                                  ('Sun, 06 Nov 1994 08:49:37 GMT', 200), ('nonsense', 200)]:
            r = c.get('/hello.txt', 'Range: bytes=0-4', f'If-Range: {condition}')
            assert r.status == status, (condition, r.status)


def not_modified(t):
    with t.server.connect() as c:
        plain = c.get('/old.txt')
        etag = plain['etag']
        assert plain['last-modified'] == 'Sun, 06 Nov 1994 08:49:37 GMT'
        for header, status in [
                ('If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT', 304),
                ('If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT', 304),
                ('If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT', 200),
                ('If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT', 304),
                ('If-Modified-Since: Sun Nov  6 08:49:37 1994', 304),
                ('If-Modified-Since: Sun Nov  6 08:49:36 1994', 200),
                ('If-Modified-Since: yesterday', 200),
                ('If-Modified-Since:', 200),
                (f'If-None-Match: {etag}', 304),
                (f'If-None-Match: W/{etag}', 304),
                (f'If-None-Match: "a", {etag}, "b"', 304),
                ('If-None-Match: *', 304),
                ('If-None-Match: "a"', 200)]:
            for method in ('GET', 'HEAD'):
                r = c.get('/old.txt', header, method=method)
                assert r.status == status, (header, method, r.status)
                assert r['etag'] == etag and r['last-modified'] == plain['last-modified']
        r = c.get('/old.txt', 'If-None-Match: "a"', 'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT')
        assert r.status == 200, 'If-None-Match comes first'
        assert c.open()


def methods(t):
    with t.server.connect() as c:
        for method in ('POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND'):
            r = c.get('/hello.txt', method=method)
            assert (r.status, r['allow']) == (405, 'GET, HEAD'), method
        assert c.open()
    for method in ('BREW', 'get', 'X', 'GETX', 'G-T'):
        with t.server.connect() as c:
            assert c.get('/hello.txt', method=method).status == 501, method
            assert c.ended()
    with t.server.connect() as c:
        for char in c.request('/', method='BREW'):
            if c.open():
                c.send(char)
        assert c.response().status == 501


def bad_requests(t):
    line = 'GET /hello.txt HTTP/1.1\r\n'
    for text, status in [
            ('\0\0\0\0\r\n\r\n', 400),
            ('rubbish\r\n\r\n', 400),
            ('rubb ish\r\n\r\n', 400),
            ('{} / HTTP/1.1\r\n\r\n', 400),
            ('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n', 400),
            ('GET /hello.txt\r\n\r\n', 505),
            ('GET hello.txt HTTP/1.1\r\nHost: a\r\n\r\n', 400),
            ('GET /hello.txt HTTP/x.y\r\nHost: a\r\n\r\n', 400),
            ('GET /hello.txt HTTP/2.0\r\nHost: a\r\n\r\n', 505),
            ('GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', 400),
            ('GET * HTTP/1.1\r\nHost: a\r\n\r\n', 400),
            (line + '\r\n', 400),
            (line + 'Host: a\r\nHost: b\r\n\r\n', 400),
            (line + 'Host: a\r\nNo colon\r\n\r\n', 400),
            (line + 'Host: a\r\nSpace : b\r\n\r\n', 400),
            (line + 'Host : a\r\n\r\n', 400),
            (line + 'Host: a\r\nX: folded\r\n into two\r\n\r\n', 400),
            (line + 'Host: a\r\nX: a\0b\r\n\r\n', 400),
            (line + 'Host: a\r\nContent-Length: x\r\n\r\n', 400),
            (line + 'Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400),
            (line + 'Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400),
            ('GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n', 400),
            ('GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n', 400),
            ('GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n', 400),
            ('GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n', 400)]:
        with t.server.connect() as c:
            c.send(text)
            r = c.response()
            assert r.status == status, (text, r.status)
            assert r.body == f'{status} {r.reason}\n'.encode(), text


def a_bad_request_ends_the_connection(t):
    """What follows must not be taken for a request."""
    with t.server.connect() as c:
        c.send('rubbish\r\n\r\n' + c.request('/hello.txt'))
        r = c.response()
        assert (r.status, r['connection']) == (400, 'close')
        assert c.ended()


def bodies_are_not_taken_for_requests(t):
    inner = 'GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n'
    for method, status in [('POST', 405), ('GET', 200)]:
        for header, body in [(f'Content-Length: {len(inner)}', inner),
                             ('Transfer-Encoding: chunked', f'{len(inner):x}\r\n{inner}\r\n0\r\n\r\n')]:
            with t.server.connect() as c:
                c.send(c.request('/hello.txt', header, method=method) + body)
                r = c.response()
                assert (r.status, r['connection']) == (status, 'close'), (method, header)
                assert c.ended()


def answer_arrives_while_a_body_is_still_sent(t):
    with t.server.connect() as c:
        c.send(c.request('/hello.txt', 'Content-Length: 500000', method='POST'))
        for _ in range(50):
            c.send(b'x' * 10000)
        assert c.response().status == 405


def uri_too_long(t):
    with t.server.connect() as c:
        r = c.get('/' + 'a' * 4095)
        assert r.status == 404
        assert c.open()
    for length in (4096, 6000, 60000):
        with t.server.connect() as c:
            c.send('GET /' + 'a' * length + ' HTTP/1.1\r\nHost: a\r\n\r\n')
            r = c.response()
            assert (r.status, r['connection']) == (414, 'close'), length
            assert c.ended()


def header_too_large(t):
    with t.server.connect() as c:
        assert c.get('/hello.txt', 'X: ' + 'a' * 8000).status == 200
        assert c.get('/hello.txt', *['X: y'] * 99).status == 200
    for headers in (['X: ' + 'a' * 8192], ['X: ' + 'a' * 60000], ['X' * 9000 + ': a'], ['X: y'] * 100,
                    [f'X-{i}: ' + 'a' * 100 for i in range(90)]):
        with t.server.connect() as c:
            r = c.get('/hello.txt', *headers)
            assert (r.status, r['connection']) == (431, 'close'), headers[0][:40]
            assert c.ended()


def large_header_then_small_ones(t):
    """The larger buffer that the first request needed serves the others, too."""
    with t.server.connect() as c:
        for size in (7000, 10, 3000, 10, 1000):
            c.send(c.request('/hello.txt', 'X: ' + 'a' * size) + c.request('/small/7.txt'))
            assert c.response().body == b'Hello, World!\n'
            assert c.response().body == b'7\n'


def absolute_form_and_empty_lines(t):
    for target in ('http://here/hello.txt', 'HTTP://a:1/hello.txt', 'http://here/x/../hello.txt?q#f'):
        assert t.server.get(target).body == b'Hello, World!\n', target
    for target in ('http://here', 'http://here/', 'http://here?q'):
        assert t.server.get(target).body == t.server.get('/').body, target
    with t.server.connect() as c:
        c.send('\r\n\r\n' + c.request('/hello.txt') + '\r\n' + c.request('/hello.txt'))
        assert c.response().status == 200
        assert c.response().status == 200


def half_close_after_a_request(t):
    for target in ('/hello.txt', '/size/3000000'):
        with t.server.connect() as c:
            c.send(c.request(target) * 2)
            c.socket.shutdown(1)
            assert c.response().status == 200
            assert c.response().status == 200
            assert c.ended()


def half_close_within_a_request(t):
    for text in ('GET /hel', 'GET /hello.txt HTTP/1.1\r\nHost: a\r\n'):
        with t.server.connect() as c:
            c.send(text)
            c.socket.shutdown(1)
            assert c.response().status == 400
            assert c.ended()


def half_close_without_a_request(t):
    with t.server.connect() as c:
        c.socket.shutdown(1)
        assert c.ended()


ALL = [keep_alive_until_close, http_1_0, date_is_now, pipelining_100_in_one_segment,
       pipelining_of_all_sizes_and_methods, request_byte_by_byte, head_has_no_body, ranges,
       range_only_of_what_the_client_has, not_modified, methods, bad_requests, a_bad_request_ends_the_connection,
       bodies_are_not_taken_for_requests, answer_arrives_while_a_body_is_still_sent, uri_too_long, header_too_large,
       large_header_then_small_ones, absolute_form_and_empty_lines, half_close_after_a_request,
       half_close_within_a_request, half_close_without_a_request]
WITH_TIMEOUTS = []
