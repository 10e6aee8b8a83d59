"""The stream of live notices that an open page receives (`GET /api/stream`).

`endpoint` accepts the streams in a process of its own, `connections` indexes them, `dispatcher`
reads new notices from the log and sends them, and `notices` encodes them. `screen_contents` is a
route of the api process, with which a page says what it shows.
"""
