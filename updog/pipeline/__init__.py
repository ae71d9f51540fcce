"""The image pipeline: receive, check, decode, write and prove an image, on threads, in flat memory.

`full` fetches a whole image in one stream; `adaptive` takes each block from the cheapest place that
has it; `delta` applies what a publisher prepared for one base. All end in `proof`: the raw image is
read back from the medium, and its digest must be the signed one.
"""
