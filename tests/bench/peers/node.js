// node.js MODE PORT - all lines of a read are answered in one write
'use strict';
const net = require('net');

const members = new Set();

// Returns a function for "data" that calls onLines with all whole lines of each read.
function wholeLines(onLines) {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    if (lines.length > 0) onLines(lines);
  };
}

const modes = {
  echo(conn) {
    conn.setEncoding('latin1');
    conn.on('data', wholeLines((lines) => {
      let answer = '';
      for (const line of lines) answer += line + '\n';
      conn.write(answer, 'latin1');
    }));
  },
  stream(conn) {
    conn.on('data', (bytes) => conn.write(bytes));
  },
  churn(conn) {
    conn.end('welcome! this is what you get.\n');
  },
  fanout(conn) {
    conn.setEncoding('latin1');
    conn.on('close', () => members.delete(conn));
    conn.on('data', wholeLines((lines) => {
      let text = '';
      for (const line of lines) {
        if (line === 'join') {
          members.add(conn);
          conn.write('joined\n');
        } else {
          text += line + '\n';
        }
      }
      if (text === '') return;
      const bytes = Buffer.from(text, 'latin1');
      for (const member of members) member.write(bytes);
    }));
  },
};

const serve = modes[process.argv[2]];
net.createServer({ noDelay: true }, (conn) => {
  conn.on('error', () => conn.destroy());
  serve(conn);
}).listen({ host: '127.0.0.1', port: Number(process.argv[3]), backlog: 4096 });
