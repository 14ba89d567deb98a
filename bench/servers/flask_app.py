"""flask_app.py PORT: Flask on its own server, a thread for each connection, with keep-alive."""

import logging
import sys

from flask import Flask
from werkzeug.serving import WSGIRequestHandler

app = Flask(__name__)


@app.get("/dummy")
def dummy() -> dict[str, str]:
    return {"message": "async power"}


WSGIRequestHandler.protocol_version = "HTTP/1.1"
logging.getLogger("werkzeug").disabled = True
app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
